"""The public PixelCLIP, imported from the folders of the environment and made to run on a CPU with weights of one's own.

Its CLIP is taken from a checkpoint of the public form, so that nothing is downloaded. Nothing of the public code is copied."""

import os
import re
import sys

import numpy as np
import PIL.Image
import torch

PUBLIC = os.path.abspath(os.environ["PIXELCLIP_PUBLIC_DIR"])
STUDENT = "sem_seg_head.predictor.clip_model."


def start(sam_root, test_root):
    """Imports the public code; its data sets are registered once, from these folders."""
    os.environ["SAM_DATASETS"], os.environ["DETECTRON2_DATASETS"] = sam_root, test_root
    sys.path[:0] = [PUBLIC, os.path.abspath(os.environ["DETECTRON2_DIR"])]
    os.chdir(PUBLIC)
    torch.Tensor.cuda = torch.nn.Module.cuda = lambda self, *_, **__: self
    for name, value in (("int", int), ("float", float), ("bool", bool)):  # NumPy and Pillow dropped these names
        vars(np).setdefault(name, value)
    for name, value in (("LINEAR", PIL.Image.BILINEAR), ("CUBIC", PIL.Image.BICUBIC)):
        vars(PIL.Image).setdefault(name, value)
    import pixelclip  # noqa: F401  registers the data sets
    import train_net
    return train_net


def count(state, pattern):
    return len({found[1] for name in state if (found := re.match(pattern, name))})


def vit(state):
    """The public ViT of these sizes; without `state` values it is random."""
    from pixelclip.third_party.model import CLIP
    patch = state["visual.conv1.weight"].shape[-1]
    grid = round((state["visual.positional_embedding"].shape[0] - 1) ** 0.5)
    text = state["ln_final.weight"].shape[0]
    model = CLIP(state["text_projection"].shape[1], grid * patch, count(state, r"visual\.transformer\.resblocks\.(\d+)"),
                 state["visual.conv1.weight"].shape[0], patch, *[state["positional_embedding"].shape[0],
                 state["token_embedding.weight"].shape[0]], text, text // 64, count(state, r"transformer\.resblocks\.(\d+)"))
    model.load_state_dict(state)
    return model.eval()


def convnext_of(embedding, depths, widths, text, layers, vocabulary=49408):
    import open_clip
    import timm
    create = timm.create_model
    timm.create_model = lambda name, **options: create(name, depths=depths, dims=widths, **options)
    try:
        return open_clip.CLIP(
            embedding,
            {"timm_model_name": "convnext_base", "timm_model_pretrained": False, "timm_pool": "", "timm_proj": "linear",
             "timm_drop": 0.0, "timm_drop_path": 0.1, "image_size": 320},
            {"context_length": 77, "vocab_size": vocabulary, "width": text, "heads": text // 64, "layers": layers})
    finally:
        timm.create_model = create


def convnext(state):
    trunk = "visual.trunk."
    widths = [state[trunk + "stem.0.weight"].shape[0]]
    widths += [state[f"{trunk}stages.{stage}.downsample.1.weight"].shape[0] for stage in (1, 2, 3)]
    depths = [count(state, rf"visual\.trunk\.stages\.{stage}\.blocks\.(\d+)") for stage in range(4)]
    model = convnext_of(state["text_projection"].shape[1], depths, widths, state["ln_final.weight"].shape[0],
                        count(state, r"transformer\.resblocks\.(\d+)"), state["token_embedding.weight"].shape[0])
    model.load_state_dict(state)
    return model.eval()


def randomise(model, seed):
    """Random values under which every parameter counts (fresh layer scales and biases hardly would)."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            if value.dim() == 0:
                value.fill_(2.66)
            elif name.endswith("gamma"):
                value.copy_(0.3 + 0.1 * noise)
            elif name.endswith("bias"):
                value.copy_(0.02 * noise)
            elif value.dim() == 1 and name != "visual.class_embedding":
                value.copy_(1 + 0.1 * noise)
            elif "embedding" in name:
                value.copy_(0.05 * noise)
            else:
                inputs = value[0].numel() if value.dim() == 4 else value.shape[-1]
                value.copy_(noise / inputs ** 0.5)
    return model


def new_clip(kind, true_size):
    import open_clip
    from pixelclip.third_party.model import CLIP
    if kind == "vit":
        small = dict(embed_dim=64, image_resolution=96, vision_layers=3, vision_width=128, vision_patch_size=16, context_length=77,
                     vocab_size=49408, transformer_width=64, transformer_heads=1, transformer_layers=2)
        large = dict(embed_dim=512, image_resolution=224, vision_layers=12, vision_width=768, vision_patch_size=16,
                     context_length=77, vocab_size=49408, transformer_width=512, transformer_heads=8, transformer_layers=12)
        return randomise(CLIP(**(large if true_size else small)), 1)
    if true_size:
        return randomise(open_clip.create_model("convnext_base_w_320"), 2)
    return randomise(convnext_of(64, [1, 1, 2, 1], [16, 24, 32, 48], 64, 2), 2)


def halved(model):
    from pixelclip.third_party.model import convert_weights
    convert_weights(model)
    return model


def use_clip(kind, state, half=False):
    """Whatever CLIP the public code asks for is this one, made anew each time; a ViT in float16 as on a GPU when `half`."""
    import open_clip
    import pixelclip.third_party.clip as clip
    if kind == "vit":
        clip.load = lambda *_, **__: (halved(vit(state)) if half else vit(state), None)
    else:
        open_clip.create_model_and_transforms = lambda *_, **__: (convnext(state), None, None)


def use_training_set(root):
    from detectron2.data import DatasetCatalog, MetadataCatalog
    from pixelclip.data.datasets.register_sa1b_resized import register_all_sam
    DatasetCatalog.remove("sam_resized")
    MetadataCatalog.remove("sam_resized")
    os.environ["SAM_DATASETS"] = root
    register_all_sam(root)


def no_flip():
    """The public mapper mirrors whatever INPUT.RANDOM_FLIP says; comparisons go without."""
    from pixelclip.data.dataset_mappers import sa1b_dataset_mapper as mapper
    build = mapper.build_transform_gen
    mapper.build_transform_gen = lambda *options: [step for step in build(*options) if type(step).__name__ != "RandomFlip"]


def defaults():
    from detectron2.config import get_cfg
    from detectron2.projects.deeplab import add_deeplab_config
    from pixelclip import add_pixelclip_config
    cfg = get_cfg()
    add_deeplab_config(cfg)
    add_pixelclip_config(cfg)
    return cfg


def config(kind, options):
    cfg = defaults()
    cfg.merge_from_file(f"configs/pixelclip_{kind}_base.yaml")
    cfg.merge_from_list(["MODEL.DEVICE", "cpu", *options])
    return cfg


def model_of(cfg, weights=None):
    from detectron2.modeling import build_model
    model = build_model(cfg)
    if weights:
        model.load_state_dict(torch.load(weights, weights_only=True)["model"], strict=False)
    return model.eval()


def evaluate(cfg, weights, train_net):
    os.makedirs(cfg.OUTPUT_DIR, exist_ok=True)
    return train_net.Trainer.test(cfg, model_of(cfg, weights))


def train(cfg, train_net, resume=False):
    """Runs the public trainer. Returns it and the loss of each iteration that it ran, by number."""
    from detectron2.engine.train_loop import SimpleTrainer
    os.makedirs(cfg.OUTPUT_DIR, exist_ok=True)
    losses, write = {}, SimpleTrainer.write_metrics

    def record(loss_dict, data_time, cur_iter, prefix=""):
        losses[cur_iter] = float(sum(loss_dict.values()))
        write(loss_dict, data_time, cur_iter, prefix)

    SimpleTrainer.write_metrics = staticmethod(record)
    try:
        trainer = train_net.Trainer(cfg)
        for module in trainer.model.modules():
            if type(module).__name__ == "DropPath":
                module.drop_prob = 0.0
        trainer.resume_or_load(resume=resume)
        first = trainer.start_iter
        trainer.train()
    finally:
        SimpleTrainer.write_metrics = staticmethod(write)
    return trainer, first, losses
