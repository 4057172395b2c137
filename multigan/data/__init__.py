"""What the data of all modalities have in common: folders, tables, the hub, the order. Only `cache` needs torch."""
