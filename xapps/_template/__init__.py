"""An xApp to copy: `make new-xapp NAME=...`; docs/add-an-xapp.md."""
