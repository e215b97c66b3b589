"""All that stands between a hostile file and this process: the folder to audit."""
