"""Networks and layers that the modalities share. `config` needs no torch."""
