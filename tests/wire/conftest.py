"""Being here puts this folder on the import path, so that the dialects' tests find `strategies`."""
