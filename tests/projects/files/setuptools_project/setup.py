import os
from setuptools import setup, find_packages

é = "größe"; TORCH = "torch>=2.0"
requires = [
    TORCH, "flash-attn==2.5.8",  # cudalock: ignore[CL60]
    'triton==2.3.0; platform_system == "Linux"',
    "num"
    "py<2",
]
requires += ["einops"]
dev = """
pytest
# a comment
black==24.1.0
"""
with open("requirements.txt") as f:
    computed = f.read().splitlines()

setup(
    name="Set_Up",
    python_requires=">=3.9",
    install_requires=requires + ["xformers"] + computed,
    extras_require={"dev": dev, "all": [x for x in dev], "one": "onnxruntime-gpu>=1.17", "bad": ["torch=1"]},
    packages=find_packages(),
)
