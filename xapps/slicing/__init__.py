"""The slicing dApp: one process per O-DU that divides its resource blocks, learns nothing itself, and takes weights."""
