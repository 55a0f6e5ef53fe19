"""Into a model, and out of PyTorch: replacing interpolation layers, and ONNX files."""

from dysample.deploy.onnx import export_onnx
from dysample.deploy.replace import Replacement, Replacements, replace_upsample

__all__ = ["Replacement", "Replacements", "export_onnx", "replace_upsample"]
