"""The Python package: equal to the program, safe for threads, clear about bad input. Run with the package on
PYTHONPATH; tests that need ../shared or Pillow are skipped without them."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import numpy as np
import pixelclip
import torch
from pixelclip import _evaluate

try:
    import PIL.Image
except ImportError:
    PIL = None

SHARED = Path(os.environ.get("PIXELCLIP_SHARED", "../shared"))
WEIGHTS = SHARED / "golden/vit/model.pth"
NAMES = ["dog, puppy", "grass", "sky"]


def program(*words):
    env = {**os.environ, "LD_LIBRARY_PATH": str(Path(torch.__file__).parent / "lib")}
    return subprocess.run([_evaluate.PROGRAM, *map(str, words)], env=env, capture_output=True, text=True)


def noise(height=60, width=90):
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def close(actual, expected):
    """Within 2e-6 of the largest: products of more rows are summed in another order."""
    return (actual - expected).abs().max() <= 2e-6 * expected.abs().max()


class Functions(unittest.TestCase):
    def test_tokens_are_those_of_the_program_padded_with_zeros(self):
        texts = ["a photo of a dog", "sky"]
        ids = pixelclip.tokenize(texts)
        self.assertEqual((ids.dtype, tuple(ids.shape)), (torch.int64, (2, 77)))
        for row, text in zip(ids, texts):
            expected = json.loads(program("tokenize", text).stdout)
            self.assertEqual(row[: len(expected)].tolist(), expected)
            self.assertEqual(row[len(expected) :].abs().sum(), 0)
        self.assertTrue(torch.equal(pixelclip.tokenize("sky"), ids[1:]))

    def test_a_long_text_is_an_error_or_cut(self):
        with self.assertRaisesRegex(pixelclip.InvalidInputError, "tokens, but CLIP takes at most 77"):
            pixelclip.tokenize("dog " * 100)
        self.assertEqual(pixelclip.tokenize("dog " * 100, truncate=True)[0, -1], 49407)

    def test_a_checkpoint_is_a_dict_of_tensors_and_changing_them_leaves_the_file(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "a.pth")
            torch.save({"model": {"module.x": torch.arange(6.0).view(2, 3)}, "iteration": 7}, file)
            state = pixelclip.load_checkpoint(file)
            self.assertTrue(torch.equal(state["x"], torch.arange(6.0).view(2, 3)))
            state["x"].zero_()
            self.assertEqual(pixelclip.load_checkpoint(file)["x"].sum(), 15)
            damaged = Path(folder, "b.pth")
            damaged.write_bytes(b"no weights")
            with self.assertRaisesRegex(pixelclip.Error, "b.pth"):
                pixelclip.load_checkpoint(damaged)
        with self.assertRaisesRegex(pixelclip.NotFoundError, "none.pth"):
            pixelclip.load_checkpoint("none.pth")

    def test_a_configuration_is_read_with_its_bases_and_overrides(self):
        overrides = {"SOLVER.BASE_LR": 0.5, "DATASETS.TEST": ("x",)}
        config = pixelclip.Config.load("configs/pixelclip_vit_base.yaml", overrides)
        self.assertEqual(config["SOLVER.BASE_LR"], 0.5)
        self.assertEqual(config["DATASETS"]["TEST"], ["x"])
        self.assertEqual(config["MODEL.SEM_SEG_HEAD.CLIP_PRETRAINED"], "ViT-B/16")
        self.assertIs(config["MODEL.DINO"], False)
        with tempfile.TemporaryDirectory() as folder:
            config.save(Path(folder, "a.yaml"))
            self.assertEqual(pixelclip.Config.load(Path(folder, "a.yaml")), config)
        with self.assertRaisesRegex(ValueError, "did you mean SOLVER.BASE_LR"):
            pixelclip.Config.load(overrides={"SOLVER.BASE_LRR": 1})
        with self.assertRaisesRegex(KeyError, "MODEL.NONE"):
            config["MODEL.NONE"]

    def test_another_torch_is_refused_in_one_sentence(self):
        code = "import torch; torch.__version__ = '1.13.1+cpu'; import pixelclip"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        version = torch.__version__.split("+")[0]
        expected = f"ImportError: pixelclip was built with torch {version}, but torch 1.13.1+cpu is installed"
        self.assertIn(expected, done.stderr)


@unittest.skipUnless(WEIGHTS.exists(), "no ../shared folder here")
class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.flags = ["--weights", WEIGHTS, "--templates", "single", "--resolution", 96, "--device", "cpu"]
        cls.model = cls.make_model()
        cls.file = sorted((SHARED / "data/sa1b_mini/images").rglob("*.jpg"))[0]

    @staticmethod
    def make_model():
        return pixelclip.Model(WEIGHTS, device="cpu", templates="single", resolution=96)

    def test_results_are_those_of_the_program(self):
        # A new model: texts that are encoded together are equal to the bit, others to 1e-6.
        result = self.make_model().encode(self.file).segment(NAMES, background=0.2)
        with tempfile.TemporaryDirectory() as folder:
            names = ["--names", "dog, puppy; grass; sky", "--background", "0.2"]
            done = program("segment", self.file, *names, *self.flags, "--logits", "--out", folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            base = Path(folder, self.file.stem)
            written = json.loads(base.with_suffix(".json").read_text())
            logits = pixelclip.load_checkpoint(f"{base}_logits.safetensors")["logits"]
            if PIL:
                labels = np.asarray(PIL.Image.open(f"{base}_labels.png"))
                self.assertTrue(np.array_equal(result.labels, labels))
                overlay = np.asarray(PIL.Image.open(f"{base}_overlay.png"))
                self.assertTrue(np.array_equal(np.asarray(result.overlay()), overlay))
            self.assertEqual(result._repr_png_(), Path(f"{base}_overlay.png").read_bytes())
        self.assertEqual(result.names, written["names"])
        self.assertEqual(list(result.labels.shape), [written["height"], written["width"]])
        self.assertTrue(torch.equal(result.logits, logits))
        for entry in written["classes"]:
            i = entry["id"]
            self.assertEqual((result.areas[i], result.scores[i]), (entry["area"], entry["score"]))
            self.assertEqual(result.rle[i]["counts"], entry["rle"]["counts"])
            self.assertEqual(list(result.rle[i]["size"]), entry["rle"]["size"])
        self.assertEqual(result.areas.sum(), result.labels.size)

    def test_features_and_texts_are_those_of_the_program(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "features.safetensors")
            done = program("features", self.file, "--names", "dog; sky", *self.flags, "--out", out)
            self.assertEqual(done.returncode, 0, done.stderr)
            written = {name: tensor.clone() for name, tensor in pixelclip.load_checkpoint(out).items()}
        dense = written[f"dense.{self.file.stem}"]
        self.assertTrue(torch.equal(self.model.encode(self.file).features, dense))
        model = self.make_model()
        self.assertTrue(torch.equal(model.text(["dog", "sky"], per_template=True), written["text"]))
        text = model.text(["dog", "sky"])
        self.assertEqual(text.shape, written["text"].shape[1:])
        self.assertTrue(torch.allclose(text.norm(dim=1), torch.ones(2)))

    def test_every_kind_of_image_gives_the_same(self):
        pixels = noise()
        expected = self.model.encode(pixels).features
        tensor = torch.from_numpy(pixels)
        same = [tensor, tensor.permute(2, 0, 1), np.asfortranarray(pixels)]
        if PIL:
            same += [PIL.Image.fromarray(pixels), PIL.Image.fromarray(pixels).convert("RGBA")]
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "a.png")
                PIL.Image.fromarray(pixels).save(file)
                same += [self.model.encode(str(file)), self.model.encode(file)]
        for image in same:
            image = image if isinstance(image, pixelclip.EncodedImage) else self.model.encode(image)
            self.assertTrue(torch.equal(image.features, expected))
            self.assertEqual((image.height, image.width), (60, 90))
        batch = self.model.encode([pixels, pixels[:, :50]])
        self.assertEqual([image.width for image in batch], [90, 50])
        self.assertTrue(close(batch[0].features, expected))
        self.assertEqual(self.model.encode([]), [])

    def test_a_list_of_more_than_one_batch_keeps_its_order(self):
        images = [noise()[:, : 20 + i] for i in range(19)]
        encoded = self.model.encode(images)
        self.assertEqual([image.width for image in encoded], [20 + i for i in range(19)])
        for i in (0, 8, 18):
            alone = self.model.encode(images[i]).features
            self.assertTrue(close(encoded[i].features, alone))
        with self.assertRaisesRegex(pixelclip.NotFoundError, "absent.jpg"):
            self.model.encode([images[0], "absent.jpg"])

    @unittest.skipUnless(PIL, "Pillow is not installed")
    def test_a_pil_image_is_turned_by_its_orientation_as_a_file_is(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "a.jpg")
            exif = PIL.Image.Exif()
            exif[0x0112] = 6
            PIL.Image.fromarray(noise()).save(file, exif=exif)
            by_path, by_image = self.model.encode(file), self.model.encode(PIL.Image.open(file))
        self.assertEqual((by_path.height, by_path.width), (90, 60))
        self.assertTrue(torch.equal(by_path.features, by_image.features))

    def test_memory_is_shared_and_outlives_the_result(self):
        image = self.model.encode(noise())
        self.assertEqual(image.features.data_ptr(), image.features.data_ptr())
        result = image.segment(NAMES)
        self.assertEqual(result.labels.ctypes.data, result.labels.ctypes.data)
        labels, expected = result.labels, result.labels.copy()
        del image, result
        self.assertTrue(np.array_equal(labels, expected))

    def test_backgrounds_are_a_cosine_or_names(self):
        image = self.model.encode(noise())
        self.assertEqual(image.segment(["dog"], background=1).areas.tolist(), [0, 5400])
        self.assertEqual(image.segment(["dog"], background=["sky", "wall"]).names, ["dog", "background"])
        self.assertEqual(image.segment(["dog"]).names, ["dog"])

    def test_threads_give_the_same_results(self):
        images = [noise(60, 60 + 10 * i) for i in range(4)]
        expected = [self.model.encode(image).segment(NAMES).labels for image in images]
        found, faults = {}, []

        def work(i):
            try:
                self.model.text([f"thing {i}"])
                found[i] = self.model.encode(images[i]).segment(NAMES).labels
            except Exception as error:  # noqa: BLE001
                faults.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])
        for i, labels in enumerate(expected):
            self.assertTrue(np.array_equal(found[i], labels))

    def test_bad_input_is_an_exception_with_one_sentence(self):
        for image, kind, text in [
            (noise().astype(np.float32), TypeError, "type uint8 .* not float32"),
            (torch.rand(3, 8, 8), TypeError, "type uint8 .* not float32"),
            (noise()[..., 0], ValueError, r"shape \[height, width, 3\].*not \[60, 90\]"),
            (np.zeros((4, 4, 4), np.uint8), ValueError, r"not \[4, 4, 4\]"),
            (np.zeros((0, 4, 3), np.uint8), ValueError, "is empty"),
            (7, TypeError, "not int"),
            ("none.jpg", FileNotFoundError, "none.jpg"),
        ]:
            with self.subTest(text), self.assertRaisesRegex(kind, text):
                self.model.encode(image)
        image = self.model.encode(noise())
        for names, kind, text in [
            ([], pixelclip.InvalidInputError, "no class names"),
            (["dog", " "], pixelclip.InvalidInputError, "empty"),
            (["dog", "Dog"], pixelclip.InvalidInputError, "Dog"),
            ("dog", TypeError, "list of texts"),
            ([1], TypeError, "list of texts"),
        ]:
            with self.subTest(text), self.assertRaisesRegex(kind, text):
                image.segment(names)
        with self.assertRaisesRegex(ValueError, "cosine"):
            image.segment(["dog"], background=3)
        with self.assertRaisesRegex(FileNotFoundError, "none.pth"):
            pixelclip.Model("none.pth")
        with self.assertRaisesRegex(ValueError, "precision"):
            pixelclip.Model(WEIGHTS, precision="float8")

    def test_evaluation_gives_the_numbers_of_the_program(self):
        overrides = {
            "MODEL.DEVICE": "cpu",
            "MODEL.SEM_SEG_HEAD.NUM_CLASSES": 8,
            "MODEL.CLIP_RESOLUTION": (96, 96),
            "TEST.PROMPT_ENSEMBLE_TYPE": "single",
            "DATASETS.ROOT": str(SHARED / "data/voc_mini"),
        }
        with tempfile.TemporaryDirectory() as folder:
            config = pixelclip.Config.load("configs/pixelclip_vit_base.yaml", overrides)
            scores = pixelclip.evaluate(config, WEIGHTS, output=folder)
            self.assertEqual(scores, json.loads(Path(folder, "eval/results.json").read_text()))
            self.assertTrue(any("mIoU" in found["sem_seg"] for found in scores.values()))
            with self.assertRaisesRegex(pixelclip.Error, "none.pth"):
                pixelclip.evaluate(config, "none.pth", output=folder)


if __name__ == "__main__":
    unittest.main()
