"""The adversarial training core. It knows tensors and never a modality; it imports torch and nothing else of multigan."""
