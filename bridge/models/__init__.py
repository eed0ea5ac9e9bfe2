"""Which models exist, where their weights lie, and whether they are the right ones. Knows no torch.

Doors: `registry` (names, stems, members), `weights` (locate, pull, verify), `config` (what a weight file says of its
network), `legacy` (.th files to safetensors; `checkpoint` reads them, and runs nothing of them).
"""
