"""The adversarial training core. It knows tensors, never a modality; it imports torch alone."""
