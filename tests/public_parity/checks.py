"""Compares this program with the running public code; called by ../public_parity.sh.

usage: checks.py PROGRAM SOURCE_TREE FOLDER [--true-size] [--only NAME]..."""

import argparse
import json
import logging
import math
import os
import shutil
import subprocess
import traceback

import numpy as np
import torch
import yaml
from PIL import Image
from pycocotools import mask as rle
from safetensors.torch import load_file

import public_code
import world

CONFIGS = {"vit": "configs/pixelclip_vit_base.yaml", "convnext": "configs/pixelclip_convnext_base.yaml"}


class Report:
    def __init__(self):
        self.failed = []

    def measured(self, name, text):
        print(f"measured  {name}: {text}", flush=True)

    def line(self, name, text, good):
        print(f"{'ok    ' if good else 'FAILED'}  {name}: {text}", flush=True)
        if not good:
            self.failed.append(name)

    def below(self, name, value, limit):
        self.line(name, f"{value:.3g} (at most {limit:g})", value <= limit)

    def equal(self, name, ours, theirs):
        good = ours == theirs
        self.line(name, "equal" if good else f"ours {str(ours)[:300]}, theirs {str(theirs)[:300]}", good)


class Parity:
    def __init__(self, program, tree, folder, true_size):
        self.program, self.tree, self.folder, self.true_size = program, tree, folder, true_size
        self.report = Report()
        sizes = [(640, 640)] * 2 if true_size else [(160, 160)] * 4
        self.even = world.training_set(f"{folder}/even", sizes)
        self.uneven = world.training_set(f"{folder}/uneven", [(120, 150), (160, 232), (90, 180), (200, 216)])
        self.mixed = world.training_set(f"{folder}/mixed", [(160, 200), (200, 160), (160, 224), (224, 160), (160, 184), (176, 160),
                                                            (160, 160), (192, 208)])
        self.sets = world.test_sets(f"{folder}/sets", 4)
        self.train_net = public_code.start(self.even, self.sets)
        public_code.no_flip()
        self.weights, self.clips = {}, {}
        for kind in CONFIGS:
            self.make_weights(kind)

    def sizes(self, kind):
        if self.true_size:
            return ["MODEL.SEM_SEG_HEAD.TRAIN_CLASS_JSON", "datasets/voc20.json"]
        side = 96 if kind == "vit" else 128
        return ["MODEL.SEM_SEG_HEAD.TRAIN_CLASS_JSON", "datasets/voc20.json", "MODEL.SEM_SEG_HEAD.NUM_CLASSES", "8",
                "MODEL.CLIP_RESOLUTION", f"({side}, {side})", "MODEL.MASK_RESOLUTION", "(48, 48)"]

    def make_weights(self, kind):
        """A checkpoint of the public form: random CLIP, the public model's own prompts and decoder."""
        state = {k: v.clone() for k, v in public_code.new_clip(kind, self.true_size).state_dict().items()}
        self.clips[kind] = state
        public_code.use_clip(kind, state)
        options = [*self.sizes(kind), "MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON", "datasets/voc20.json"]
        model = public_code.model_of(public_code.config(kind, options))
        self.weights[kind] = f"{self.folder}/{kind}.pth"
        torch.save({"model": model.state_dict()}, self.weights[kind])

    def ours(self, *command, must_fail=False, **environment):
        """Runs this program; returns what it printed."""
        done = subprocess.run([self.program, *map(str, command)], cwd=self.tree, capture_output=True, text=True,
                              env={**os.environ, "DETECTRON2_DATASETS": self.sets, **environment})
        if (done.returncode != 0) != must_fail:
            said = [line for line in (done.stdout + done.stderr).splitlines() if "error" in line] or [done.stderr[-500:]]
            raise RuntimeError(f"`pixelclip {command[0]}` ended with {done.returncode}: {' '.join(said)}")
        return done.stdout + done.stderr

    def attempt(self, name, comparison, *arguments):
        """One comparison that ends early must not hide the others."""
        try:
            comparison(*arguments)
        except Exception as error:
            traceback.print_exc()
            self.report.line(name, f"ended early: {str(error)[-400:]}", False)

    # -- scores ------------------------------------------------------------------------------------

    def scores(self):
        """Class scores at a picture's size, and their best classes."""
        for kind, config in CONFIGS.items():
            names = json.load(open("datasets/voc20.json"))
            pictures = [f"{self.sets}/VOCdevkit/VOC2012/JPEGImages/{n:04d}.jpg" for n in range(2)]
            cfg = public_code.config(kind, [*self.sizes(kind), "MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON", "datasets/voc20.json",
                                            "MODEL.PROMPT_ENSEMBLE_TYPE", "imagenet_select"])
            model = public_code.model_of(cfg, self.weights[kind])
            out = f"{self.folder}/segment_{kind}"
            used = f"{self.folder}/{kind}.yaml"
            with open(used, "w") as file:
                yaml.safe_dump({"_BASE_": f"{self.tree}/{config}", "MODEL": {"CLIP_RESOLUTION": list(cfg.MODEL.CLIP_RESOLUTION)}}, file)
            list_file = f"{self.folder}/names.txt"
            with open(list_file, "w") as file:
                file.write("\n".join(names))
            self.ours("segment", *pictures, "--names", list_file, "--weights", self.weights[kind], "--config-file", used,
                      "--device", "cpu", "--logits", "--out", out)
            worst, largest, same, pixels = 0, 0, 0, 0
            for path in pictures:
                theirs, classes = self.public_scores(model, cfg, path)
                stem = os.path.basename(path)[:-4]
                mine = next(iter(load_file(f"{out}/{stem}_logits.safetensors").values()))
                worst = max(worst, float((mine - theirs).abs().max()))
                largest = max(largest, float(theirs.abs().max()))
                same += int((np.asarray(Image.open(f"{out}/{stem}_labels.png")) == classes).sum())
                pixels += classes.size
            self.report.below(f"{kind}: class scores (cosines up to {largest:.2g}), largest difference", worst, 1e-6)
            self.report.below(f"{kind}: share of {pixels} pixels with another class", 1 - same / pixels, 1e-4)

    @staticmethod
    def public_scores(model, cfg, path):
        """Scores [classes, 64, 64] and the best class of each pixel of the picture."""
        import pixelclip.pixelclip as module
        from detectron2.data import detection_utils, transforms
        rgb = detection_utils.read_image(path, format=cfg.INPUT.FORMAT)
        height, width = rgb.shape[:2]
        resize = transforms.ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
        pixels = resize.get_transform(rgb).apply_image(rgb)
        batch = [{"image": torch.as_tensor(np.ascontiguousarray(pixels.transpose(2, 0, 1))), "height": height, "width": width}]
        seen, enlarge = [], module.sem_seg_postprocess
        module.sem_seg_postprocess = lambda scores, *sizes: (seen.append(scores.clone()), enlarge(scores, *sizes))[1]
        try:
            with torch.no_grad():
                enlarged = model(batch)[0]["sem_seg"]
        finally:
            module.sem_seg_postprocess = enlarge
        return seen[0], enlarged.argmax(0).numpy()

    def evaluate_both(self, kind, name, *ours_alone, tag=""):
        """Scores one set on both sides; returns the results of both and the folders of their predictions."""
        classes = world.TEST_SETS[name][2]
        options = [*self.sizes(kind), "MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON", f"datasets/{classes}.json", "DATASETS.TEST", f"('{name}',)",
                   "MODEL.PROMPT_ENSEMBLE_TYPE", "imagenet_select", "DATALOADER.NUM_WORKERS", "0"]
        theirs_in, ours_in = (f"{self.folder}/{who}_eval{tag}_{kind}_{classes}" for who in ("public", "our"))
        cfg = public_code.config(kind, [*options, "OUTPUT_DIR", theirs_in])
        theirs = public_code.evaluate(cfg, self.weights[kind], self.train_net)["sem_seg"]
        self.ours("train", "--eval-only", "--config-file", CONFIGS[kind], *options, "MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", self.weights[kind],
                  "OUTPUT_DIR", ours_in, *ours_alone)
        return json.load(open(f"{ours_in}/results.json"))["sem_seg"], theirs, ours_in, theirs_in

    def evaluation(self):
        """Scores and predictions of the public evaluator on each set."""
        def one(kind, name):
            mine, theirs, ours_in, theirs_in = self.evaluate_both(kind, name)
            self.compare_results(f"{kind}, {name}", mine, theirs)
            self.compare_predictions(f"{kind}, {name}", ours_in, theirs_in)

        for kind in CONFIGS:
            for name in world.TEST_SETS:
                self.attempt(f"{kind}, {name}", one, kind, name)

    def compare_results(self, name, mine, theirs):
        missing = [key for key in theirs if key not in mine]
        self.report.equal(f"{name}: names of scores that are missing", missing, [])
        number = lambda value: math.nan if value is None else float(value)  # noqa: E731
        worst = max((0 if math.isnan(number(mine[key])) and math.isnan(value) else abs(number(mine[key]) - value))
                    for key, value in theirs.items() if key in mine)
        self.report.below(f"{name}: {len(theirs)} scores, largest difference in percent", worst, 0.05)

    @staticmethod
    def predictions(folder):
        return {(os.path.basename(entry["file_name"]), entry["category_id"]): entry["segmentation"]
                for entry in json.load(open(f"{folder}/inference/sem_seg_predictions.json"))}

    def differing_pixels(self, ours_in, theirs_in):
        """Pixels with another class, and all pixels."""
        mine, theirs = self.predictions(ours_in), self.predictions(theirs_in)
        differing = sum(int((rle.decode(mine[key]) != rle.decode(theirs[key])).sum()) if key in mine and key in theirs
                        else int(rle.area({**mine, **theirs}[key])) for key in set(mine) | set(theirs)
                        if mine.get(key) != theirs.get(key))
        return differing // 2, sum(int(rle.area(mask)) for mask in theirs.values())

    def compare_predictions(self, name, ours_in, theirs_in):
        mine, theirs = self.predictions(ours_in), self.predictions(theirs_in)
        self.report.equal(f"{name}: category ids in the predictions", sorted({key[1] for key in mine}), sorted({key[1] for key in theirs}))
        same = sum(mine.get(key) == value for key, value in theirs.items())
        differing, pixels = self.differing_pixels(ours_in, theirs_in)
        self.report.below(f"{name}: {same} of {len(theirs)} masks identical; pixels of {pixels} that differ", differing, 10)

    # -- training ----------------------------------------------------------------------------------

    def training_options(self, kind, steps, images):
        return [*self.sizes(kind), "MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON", "datasets/voc20.json", "DATASETS.TEST", "()", "TEST.EVAL_PERIOD", "0", "SOLVER.MAX_ITER", str(steps),
                "SOLVER.IMS_PER_BATCH", str(images), "SOLVER.CHECKPOINT_PERIOD", "2", "INPUT.STRONG_AUG", "False", "INPUT.COLOR_AUG_SSD", "False",
                "INPUT.CROP.ENABLED", "False", "INPUT.MIN_SIZE_TRAIN", "(640,)" if self.true_size else "(160,)", "DATALOADER.NUM_WORKERS", "0",
                "SEED", "5"]

    def train_theirs(self, kind, options, root, folder, resume=False):
        public_code.use_training_set(root)
        options = [*options, "MODEL.WEIGHTS", self.weights[kind], "OUTPUT_DIR", folder]
        return public_code.train(public_code.config(kind, options), self.train_net, resume)

    def train_ours(self, kind, options, root, folder, *flags):
        printed = self.ours("train", "--config-file", CONFIGS[kind], *flags, *options, "MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", self.weights[kind],
                            "OUTPUT_DIR", folder, "INPUT.RANDOM_FLIP", "none", "MODEL.DROP_PATH_RATE", "0", SAM_DATASETS=root)
        lines = [json.loads(line) for line in open(f"{folder}/metrics.json")]
        return printed, {line["iteration"]: line["total_loss"] for line in lines if "total_loss" in line}

    def compare_losses(self, name, mine, theirs):
        self.report.equal(f"{name}: iterations", sorted(set(theirs) - set(mine)), [])
        worst = max(abs(mine[i] - loss) / loss for i, loss in theirs.items() if i in mine)
        self.report.below(f"{name}: losses of {len(theirs)} steps, largest relative difference", worst, 2e-6)

    def compare_parameters(self, name, kind, mine, theirs, limit):
        """Relative to how far the parameters moved: the norm of the difference by the norm of the movement."""
        before, mine, theirs = (torch.load(path, weights_only=True)["model"] for path in (self.weights[kind], mine, theirs))
        names = [n for n in theirs if n in mine and not torch.equal(before[n], theirs[n])]
        norm = lambda a, b: math.sqrt(sum(float((a[n] - b[n]).double().square().sum()) for n in names))  # noqa: E731
        self.report.below(f"{name}: {len(names)} parameters, difference relative to their movement", norm(mine, theirs) / norm(theirs, before), limit)

    def training(self):
        """Losses and parameters from files on disk: pictures of one size, and of several (padded)."""
        for kind in CONFIGS:
            for what, root in (("even", self.even),) if self.true_size else (("even", self.even), ("uneven", self.uneven)):
                self.attempt(f"{kind}, pictures {what}", self.train_both, kind, what, root)

    def train_both(self, kind, what, root):
        options = self.training_options(kind, 3 if self.true_size else 4, 2 if self.true_size else 4)
        theirs_in, ours_in = (f"{self.folder}/{who}_{what}_{kind}" for who in ("public", "our"))
        _, _, theirs = self.train_theirs(kind, options, root, theirs_in)
        # There masks keep their size when their picture is padded; that is what this key does.
        _, mine = self.train_ours(kind, [*options, "INPUT.PAD_MASKS", str(what == "even")], root, ours_in)
        self.compare_losses(f"{kind}, pictures {what}", mine, theirs)
        self.compare_parameters(f"{kind}, pictures {what}", kind, f"{ours_in}/model_final.pth", f"{theirs_in}/model_final.pth", 1e-3)

    def order(self):
        """Batches of two from eight pictures, wide and high: the order of samples and their grouping."""
        options = self.training_options("vit", 8, 2)
        _, _, theirs = self.train_theirs("vit", options, self.mixed, f"{self.folder}/public_order")
        _, mine = self.train_ours("vit", [*options, "INPUT.PAD_MASKS", "False"], self.mixed, f"{self.folder}/our_order")
        self.compare_losses("vit, eight pictures in batches of two", mine, theirs)

    # -- checkpoints -------------------------------------------------------------------------------

    def part_of(self, folder, name):
        """The folder as it was after two of four iterations."""
        part = f"{self.folder}/{name}"
        shutil.copytree(folder, part, ignore=shutil.ignore_patterns("model_*", "events*"))
        shutil.copy(f"{folder}/model_0000001.pth", part)
        with open(f"{part}/last_checkpoint", "w") as file:
            file.write("model_0000001.pth")
        return part

    def exchange(self):
        """A public run goes on here, and ours there, each from the middle of the run."""
        for kind in CONFIGS:
            options = self.training_options(kind, 4, 2 if self.true_size else 4)
            theirs_in, ours_in = (f"{self.folder}/{who}_whole_{kind}" for who in ("public", "our"))
            _, _, theirs = self.train_theirs(kind, options, self.even, theirs_in)
            _, mine = self.train_ours(kind, options, self.even, ours_in)
            self.attempt(f"{kind}, public run resumed here", self.resume_here, kind, options, theirs_in, theirs)
            self.attempt(f"{kind}, our run resumed there", self.resume_there, kind, options, ours_in, mine)

    def resume_here(self, kind, options, theirs_in, theirs):
        part = self.part_of(theirs_in, f"public_to_ours_{kind}")
        printed, resumed = self.train_ours(kind, options, self.even, part, "--resume")
        name = f"{kind}, public run resumed here"
        self.report.line(f"{name}: its optimiser's state is taken", "no warning of a new start", "starts anew" not in printed)
        self.compare_losses(name, resumed, {i: theirs[i] for i in (2, 3)})
        self.compare_parameters(name, kind, f"{part}/model_final.pth", f"{theirs_in}/model_final.pth", 1e-3)

    def resume_there(self, kind, options, ours_in, mine):
        part = self.part_of(ours_in, f"ours_to_public_{kind}")
        trainer, first, resumed = self.train_theirs(kind, options, self.even, part, resume=True)
        name = f"{kind}, our run resumed there"
        self.report.equal(f"{name}: first iteration", first, 2)
        self.report.equal(f"{name}: steps of its optimiser", {int(s["step"]) for s in trainer.optimizer.state.values()}, {4})
        self.report.equal(f"{name}: position of its schedule", trainer.scheduler.last_epoch, 4)
        self.compare_losses(name, resumed, {i: mine[i] for i in (2, 3)})
        self.compare_parameters(name, kind, f"{part}/model_final.pth", f"{ours_in}/model_final.pth", 1e-3)

    def published(self):
        """The published DINO models hold `dino.*` beside the model, and may carry the prefix of DDP."""
        kind = "vit"
        state = torch.load(self.weights[kind], weights_only=True)["model"]
        odd = {**state, **{f"dino.{n}": v for n, v in self.dino_weights().items()}}
        options = [*self.sizes(kind), "MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON", "datasets/voc20.json", "DATASETS.TEST", "('voc_2012_test_sem_seg',)", "MODEL.DEVICE", "cpu"]
        results = []
        for name, content in (("plain", {"model": state}), ("dino", {"model": odd}), ("bare", state),
                              ("module", {"model": {f"module.{n}": v for n, v in state.items()}})):
            torch.save(content, f"{self.folder}/form_{name}.pth")
            self.ours("train", "--eval-only", "--config-file", CONFIGS[kind], *options, "MODEL.WEIGHTS", f"{self.folder}/form_{name}.pth",
                      "OUTPUT_DIR", f"{self.folder}/form_{name}")
            results.append(json.load(open(f"{self.folder}/form_{name}/results.json")))
            self.report.equal(f"a checkpoint of the form '{name}' scores the same", str(results[-1]), str(results[0]))

    # -- what differs by intention -----------------------------------------------------------------

    def intended(self):
        """How much the intended differences change; figures for docs/differences.md, which fail nothing."""
        for measure in (self.padded_masks, self.class_name_precision, self.long_picture):
            self.attempt(measure.__name__, measure)

    def padded_masks(self):
        options = self.training_options("vit", 4, 4)
        _, _, theirs = self.train_theirs("vit", options, self.uneven, f"{self.folder}/public_padded")
        _, mine = self.train_ours("vit", options, self.uneven, f"{self.folder}/our_padded")
        worst = max(abs(mine[i] - loss) / loss for i, loss in theirs.items())
        self.report.measured("masks padded like their pictures (INPUT.PAD_MASKS True)", f"losses of 4 steps differ by up to {100 * worst:.2g} %")

    def class_name_precision(self):
        public_code.use_clip("vit", self.clips["vit"], half=True)
        try:
            for precision in ("float32", "float16"):
                mine, theirs, *folders = self.evaluate_both("vit", "voc_2012_test_sem_seg", "MODEL.TEXT_PRECISION", precision, tag=precision)
                differing, pixels = self.differing_pixels(*folders)
                self.report.measured(f"MODEL.TEXT_PRECISION {precision} against float16 there",
                                     f"{differing} of {pixels} pixels differ, mIoU by {abs(mine['mIoU'] - theirs['mIoU']):.2g}")
        finally:
            public_code.use_clip("vit", self.clips["vit"])

    def long_picture(self):
        name = "voc_2012_test_sem_seg"
        pictures, labels = (f"{self.sets}/{folder}" for folder in world.TEST_SETS[name][:2])
        root, kept = f"{self.sets}/VOCdevkit/VOC2012", f"{self.folder}/kept_sets"
        shutil.move(root, kept)
        try:
            os.makedirs(pictures)
            os.makedirs(labels)
            Image.fromarray(world.picture(3, 40, 2000)).save(f"{pictures}/long.jpg", quality=95)
            Image.fromarray((np.arange(40 * 2000).reshape(40, 2000) % 20).astype(np.uint8)).save(f"{labels}/long.png")
            _, _, *folders = self.evaluate_both("vit", name, tag="long")
            differing, pixels = self.differing_pixels(*folders)
            self.report.measured("a picture 50 times as wide as high", f"{differing} of {pixels} pixels have another class")
        finally:
            shutil.rmtree(root, ignore_errors=True)
            shutil.move(kept, root)

    # -- configs, names, texts ---------------------------------------------------------------------

    def configs(self):
        """What detectron2 dumps loads here, and the values of the keys that both know agree."""
        for kind in CONFIGS:
            cfg = public_code.config(kind, ["OUTPUT_DIR", f"{self.folder}/x", "SEED", "3"])
            with open(f"{self.folder}/dump_{kind}.yaml", "w") as file:
                file.write(cfg.dump())
            printed = subprocess.run([self.program, "config", "--config-file", f"{self.folder}/dump_{kind}.yaml"], cwd=self.tree, text=True,
                                     capture_output=True, check=False)
            if printed.returncode != 0:
                self.report.line(f"{kind}: a config as detectron2 dumps it loads", printed.stderr[-300:], False)
                continue
            mine, theirs = flat(yaml.safe_load(printed.stdout)), flat(yaml.safe_load(cfg.dump()))
            shared = [key for key in theirs if key in mine]
            plain = lambda value: [float(v) for v in value] if isinstance(value, list) and value and isinstance(value[0], (int, float)) else value  # noqa: E731
            self.report.equal(f"{kind}: values of {len(shared)} of {len(theirs)} keys in its dump", {k: mine[k] for k in shared if plain(mine[k]) != plain(theirs[k])}, {})

    def names(self):
        """Every semantic set that the public code registers has its name here."""
        from detectron2.data import DatasetCatalog
        wanted = sorted(n for n in DatasetCatalog.list() if "sem_seg" in n or n.startswith("sam"))
        printed = self.ours("doctor", "no_such_set_at_all", must_fail=True)
        self.report.equal(f"of {len(wanted)} registered sets, those without a name here", [n for n in wanted if n not in printed], [])

    def tokens(self):
        """Token ids, and what becomes of texts beyond 77 tokens: cut by open_clip's tokeniser, refused by CLIP's."""
        import open_clip
        from pixelclip.third_party import clip
        texts = ["a photo of a cat.", "itap of a traffic light.", "Ümläuts & “quotes” — déjà-vu &amp; 😀", "A photo of a {} {} {} {} in the scene",
                 "", "wall-other  brick", "日本語 mixed ｆｕｌｌ width", "it's the dogs' 1,234.5"]
        theirs = [[i for i in clip.tokenize([t])[0].tolist() if i] for t in texts]
        mine = [[i for i in json.loads(line) if i] for line in self.ours("tokenize", "--", *texts).splitlines() if line.startswith("[")]
        self.report.equal("token ids as CLIP's", mine, theirs)
        long = " ".join(f"word{n}" for n in range(60))
        theirs = open_clip.get_tokenizer("convnext_base_w_320")([long])[0]
        names = [long, "cat"]
        for kind, must_fail in (("vit", True), ("convnext", False)):
            out = f"{self.folder}/long_{kind}.safetensors"
            list_file = f"{self.folder}/long.json"
            with open(list_file, "w") as file:
                json.dump(names, file)
            printed = self.ours("features", f"{self.sets}/VOCdevkit/VOC2012/JPEGImages/0000.jpg", "--names", list_file, "--weights", self.weights[kind], "--config-file",
                      f"{self.tree}/{CONFIGS[kind]}", "--resolution", "128", "--templates", "single", "--device", "cpu", "--out", out, must_fail=must_fail)
            if must_fail:
                self.report.line("a text beyond 77 tokens is refused with a ViT", "as there", "at most 77" in printed)
                continue
            mine = load_file(out)["text"][0]
            model = convnext_model(self.weights[kind])
            with torch.no_grad():
                features = model.encode_text(open_clip.get_tokenizer("convnext_base_w_320")([f"A photo of a {n} in the scene" for n in names]))
            features = features / features.norm(dim=-1, keepdim=True)
            self.report.below("and cut with a ConvNeXt: embeddings, largest difference", float((mine - features).abs().max()), 1e-5)

    # -- DINO --------------------------------------------------------------------------------------

    def dino_weights(self):
        import timm
        torch.manual_seed(9)
        model = timm.create_model("vit_small_patch16_224", num_classes=0)
        generator = torch.Generator().manual_seed(10)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 1:
                    parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        return model.state_dict()

    def dino(self):
        """Masks by k-means: both start at random, so statistics over pictures and starts are compared."""
        import timm
        weights = self.dino_weights()
        torch.save(weights, f"{self.folder}/dino.pth")
        backbone = timm.create_model("vit_small_patch16_224", num_classes=0)
        backbone.load_state_dict(weights)

        class Dino(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = backbone.eval()

            def get_intermediate_layers(self, images):
                return [self.inner.forward_features(images)]

        torch.hub.load = lambda *_, **__: Dino()
        cfg = public_code.config("vit", [*self.sizes("vit"), "MODEL.DINO", "True", "MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON", "datasets/voc20.json"])
        model = public_code.model_of(cfg, self.weights["vit"])
        folder = f"{self.folder}/dino_pictures"
        os.makedirs(folder, exist_ok=True)
        pictures = []
        for number in range(6):
            Image.fromarray(world.picture(700 + number, 224, 224)).save(f"{folder}/{number}.jpg", quality=95)
            pictures.append(np.asarray(Image.open(f"{folder}/{number}.jpg").convert("RGB")))
        self.ours("bench", "kmeans", "--pictures", folder, "--weights", f"{self.folder}/dino.pth", "--json", f"{self.folder}/kmeans.json")
        figures = json.load(open(f"{self.folder}/kmeans.json"))["figures"]
        features = self.dino_features(model, pictures)
        theirs = [self.spread(self.public_masks(model, pictures, seed), features) for seed in range(20)]
        for number, (figure, what) in enumerate((("used", "masks a picture"), ("left", "share of the features' variance inside masks"))):
            values = np.array([entry[number] for entry in theirs])
            mean, deviation, mine = values.mean(), values.std(), figures[f"random_{figure}"]["value"]
            self.report.below(f"DINO: {what}, ours {mine:.4g}, theirs {mean:.4g} ± {deviation:.2g} over 20 starts: deviations apart",
                              abs(mine - mean) / max(deviation, 1e-3), 4)
            plusplus = figures[f"plusplus_{figure}"]["value"]
            self.report.measured(f"MODEL.DINO_KMEANS plusplus, {what}", f"{plusplus:.4g} against {mine:.4g}")

    def public_batch(self, model, pictures):
        from detectron2.structures import ImageList
        tensors = [(torch.tensor(rgb).permute(2, 0, 1).float() - model.clip_pixel_mean) / model.clip_pixel_std for rgb in pictures]
        return ImageList.from_tensors(tensors)

    def public_masks(self, model, pictures, seed):
        torch.manual_seed(seed)
        with torch.no_grad():
            return [m.numpy() for m in model.get_dino_masks(self.public_batch(model, pictures))]

    def dino_features(self, model, pictures):
        images = self.public_batch(model, pictures).tensor
        x = ((images * model.clip_pixel_std) + model.clip_pixel_mean - model.pixel_mean) / model.pixel_std
        with torch.no_grad():
            return model.dino.get_intermediate_layers(x)[0][:, 1:].numpy()

    @staticmethod
    def spread(masks, features):
        """Masks a picture that are not empty, and the part of the features' variance inside them."""
        counts, shares = [], []
        for picture, points in zip(masks, features):
            patches = picture[:, 8::16, 8::16].reshape(len(picture), -1).astype(bool)
            inside = sum(((points[p] - points[p].mean(0)) ** 2).sum() for p in patches if p.any())
            counts.append(sum(p.any() for p in patches))
            shares.append(inside / ((points - points.mean(0)) ** 2).sum())
        return float(np.mean(counts)), float(np.mean(shares))


def convnext_model(path):
    state = torch.load(path, weights_only=True)["model"]
    start = public_code.STUDENT
    return public_code.convnext({n[len(start):]: v for n, v in state.items() if n.startswith(start)})


def flat(values, prefix=""):
    result = {}
    for key, value in values.items():
        result.update(flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return result


CHECKS = ("configs", "names", "tokens", "scores", "evaluation", "training", "order", "exchange", "published", "dino", "intended")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("tree")
    parser.add_argument("folder")
    parser.add_argument("--true-size", action="store_true")
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=CHECKS)
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # detectron2's own lines
    parity = Parity(options.program, options.tree, options.folder, options.true_size)
    for name in options.only:
        parity.attempt(name, getattr(parity, name))
    failed = parity.report.failed
    print(f"public_parity: {len(failed)} comparisons failed" + (": " + "; ".join(failed) if failed else ""))
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
