"""Images in [0, 1] -> logits: preprocessing, the kind of head and a faster first layer end here."""
