#include "config/config.hpp"

#include <fstream>

#include "base/file.hpp"
#include "config/reference.hpp"
#include "config/writer.hpp"
#include "config/yaml_reader.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TempFolder;

/// A folder with YAML files in it.
class ConfigFile : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const auto path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
  Config read(const std::string& text, const std::vector<std::string>& overrides = {}) {
    return load_config(write("a.yaml", text), overrides);
  }
  std::string place(const std::string& line_and_column) {
    return (folder_ / "a.yaml").string() + ":" + line_and_column + ": ";
  }
  TempFolder folder_;
};

std::string source(const std::string& path) {
  return std::string(PIXELCLIP_SOURCE_DIR) + "/" + path;
}

TEST_F(ConfigFile, AnEmptyFileGivesTheDefaults) {
  const std::string defaults = to_yaml(Config());
  EXPECT_EQ(to_yaml(read("")), defaults);
  EXPECT_EQ(to_yaml(read("# nothing\n")), defaults);
  EXPECT_EQ(to_yaml(read("SOLVER:\nMODEL: {}\n")), defaults);
  EXPECT_EQ(to_yaml(load_config("")), defaults);
}

TEST(PublicConfigs, HoldTheValuesOfTheViTModel) {
  const Config c = load_config(source("configs/pixelclip_vit_base.yaml"));
  EXPECT_EQ(c.model.eps, 100.0);
  EXPECT_EQ(c.model.clip_resolution, (Size2{320, 320}));
  EXPECT_EQ(c.model.mask_resolution, (Size2{256, 256}));
  EXPECT_EQ(c.model.sem_seg_head.num_classes, 64);
  EXPECT_EQ(c.model.sem_seg_head.prompt_length, 4);
  EXPECT_EQ(c.model.sem_seg_head.clip_pretrained, "ViT-B/16");
  EXPECT_EQ(c.model.sem_seg_head.clip_finetune, Finetune::attention);
  EXPECT_EQ(c.solver.ims_per_batch, 48);
  EXPECT_EQ(c.solver.base_lr, 0.0002);
  EXPECT_EQ(c.solver.base_lr_end, 0.0001);
  EXPECT_EQ(c.solver.max_iter, 10000);
  EXPECT_EQ(c.solver.lr_scheduler_name, LrSchedule::cosine);
  EXPECT_EQ(c.solver.warmup_factor, 1.0);
  EXPECT_EQ(c.solver.warmup_iters, 0);
  EXPECT_TRUE(c.solver.clip_gradients.enabled);
  EXPECT_EQ(c.solver.clip_gradients.clip_type, GradientClipping::full_model);
  EXPECT_EQ(c.solver.clip_gradients.clip_value, 0.01);
  EXPECT_THAT(c.input.min_size_train, ElementsAre(1024));
  EXPECT_EQ(c.input.min_size_test, 640);
  EXPECT_EQ(c.input.max_size_test, 2560);
  EXPECT_THAT(c.input.crop.size, ElementsAre(640.0, 640.0));
  EXPECT_EQ(c.input.crop.type, CropType::absolute);
  EXPECT_TRUE(c.input.crop.enabled && c.input.color_aug_ssd && c.input.strong_aug);
  EXPECT_EQ(c.input.size_divisibility, 640);
  EXPECT_EQ(c.input.format, ChannelOrder::rgb);
  EXPECT_THAT(c.datasets.train, ElementsAre("sam_resized"));
  EXPECT_THAT(c.datasets.test, ElementsAre("ade20k_150_test_sem_seg"));
  EXPECT_EQ(c.dataloader.num_workers, 8);
  EXPECT_EQ(c.test.eval_period, 1000);
  EXPECT_TRUE(c.cudnn_benchmark);
}

TEST(PublicConfigs, HoldTheValuesOfTheConvNeXtModel) {
  const Config c = load_config(source("configs/pixelclip_convnext_base.yaml"));
  EXPECT_EQ(c.model.eps, 1.0);
  EXPECT_EQ(c.model.clip_resolution, (Size2{640, 640}));
  EXPECT_EQ(c.model.sem_seg_head.clip_pretrained, "convnext_base");
  EXPECT_EQ(c.model.sem_seg_head.clip_finetune, Finetune::full);
  EXPECT_EQ(c.solver.ims_per_batch, 48);
}

TEST_F(ConfigFile, PythonTuplesWordsAndQuotedLiteralsAreRead) {
  const Config c = read(
      "MODEL:\n  CLIP_RESOLUTION: (96, 64)\n  MASK_RESOLUTION: 48\n  WEIGHTS: None\n"
      "  DINO: yes\n"
      "DATASETS:\n  TRAIN: (\"x\",)\n  TEST: ('a', 'b')\n"
      "INPUT:\n  MIN_SIZE_TRAIN: \"(640, 800)\"\n  CROP: {SIZE: [1, .5]}\n"
      "SOLVER:\n  STEPS: ()\n  BASE_LR: 1e-4\n  GAMMA: \"2e-1\"\n");
  EXPECT_EQ(c.model.clip_resolution, (Size2{96, 64}));
  EXPECT_EQ(c.model.mask_resolution, (Size2{48, 48}));
  EXPECT_EQ(c.model.weights, "");
  EXPECT_TRUE(c.model.dino);
  EXPECT_THAT(c.datasets.train, ElementsAre("x"));
  EXPECT_THAT(c.datasets.test, ElementsAre("a", "b"));
  EXPECT_THAT(c.input.min_size_train, ElementsAre(640, 800));
  EXPECT_THAT(c.input.crop.size, ElementsAre(1.0, 0.5));
  EXPECT_TRUE(c.solver.steps.empty());
  EXPECT_EQ(c.solver.base_lr, 1e-4);
  EXPECT_EQ(c.solver.gamma, 0.2);
}

TEST_F(ConfigFile, AParenthesisedTextWithACommaIsATuple) {
  EXPECT_THAT(read("DATASETS:\n  TRAIN: (\"x\",)\n").datasets.train, ElementsAre("x"));
  EXPECT_ERROR(read("DATASETS:\n  TRAIN: (\"x\")\n"), HasSubstr("expected a list of texts"));
}

TEST_F(ConfigFile, BasesApplyBeforeTheFileThatNamesThem) {
  write("bases/deep.yaml", "SEED: 1\nSOLVER: {MAX_ITER: 1, BASE_LR: 0.5}\n");
  write("bases/near.yaml", "_BASE_: deep.yaml\nSEED: 2\nSOLVER: {MAX_ITER: 2}\n");
  const Config c = read("SEED: 3\n_BASE_: bases/near.yaml\n", {"VIS_PERIOD", "9"});
  EXPECT_EQ(c.seed, 3);
  EXPECT_EQ(c.solver.max_iter, 2);
  EXPECT_EQ(c.solver.base_lr, 0.5);
  EXPECT_EQ(c.vis_period, 9);
}

TEST_F(ConfigFile, ABaseMayLieInTheHomeFolder) {
  const char* before = std::getenv("HOME");
  const std::string home = before ? before : "/";
  write("home/b.yaml", "SEED: 7\n");
  setenv("HOME", (folder_ / "home").c_str(), 1);
  EXPECT_EQ(read("_BASE_: ~/b.yaml\n").seed, 7);
  setenv("HOME", home.c_str(), 1);
}

TEST_F(ConfigFile, ErrorsInABaseNameTheBase) {
  const auto base = write("b.yaml", "SEED: 1\nSOLVER:\n  MAX_ITERS: 3\n");
  EXPECT_ERROR(read("_BASE_: b.yaml\n"),
               base + ":3:3: unknown key SOLVER.MAX_ITERS (did you mean SOLVER.MAX_ITER?)");
}

TEST_F(ConfigFile, ACycleOfBasesIsAnError) {
  write("b.yaml", "_BASE_: a.yaml\n");
  EXPECT_ERROR(read("_BASE_: b.yaml\n"), HasSubstr("cycle: a.yaml → b.yaml → a.yaml"));
  EXPECT_ERROR(read("_BASE_: a.yaml\n"), HasSubstr("cycle: a.yaml → a.yaml"));
}

TEST_F(ConfigFile, AMissingBaseIsNamed) {
  EXPECT_ERROR(read("_BASE_: none.yaml\n"),
               AllOf(StartsWith(place("1:9")), HasSubstr("none.yaml")));
  EXPECT_ERROR(read("_BASE_: 3\n"), StartsWith(place("1:9") + "_BASE_ is 3"));
}

TEST_F(ConfigFile, AnUnknownKeyIsNamedWithItsPlaceAndTheNearestKey) {
  EXPECT_ERROR(read("SEED: 1\nSOLVER:\n  BASE_LRR: 1\n"),
               place("3:3") + "unknown key SOLVER.BASE_LRR (did you mean SOLVER.BASE_LR?)");
  EXPECT_ERROR(read("SOLVER:\n  EVAL_PERIOD: 1\n"), HasSubstr("(did you mean TEST.EVAL_PERIOD?)"));
  EXPECT_ERROR(read("solver:\n  base_lr: 1\n"), HasSubstr("(did you mean SOLVER?)"));
  EXPECT_ERROR(read("ZZZZZZZZZZZ: 1\n"), HasSubstr("the file accepts MODEL, SOLVER, INPUT"));
  EXPECT_ERROR(read("SOLVER: {AMP: {QQQQQQQQ: 1}}\n"),
               EndsWith("SOLVER.AMP accepts ENABLED, DTYPE"));
}

TEST_F(ConfigFile, KeysOfDetectronWithoutAMeaningHereAreAccepted) {
  const std::string defaults = to_yaml(Config());
  EXPECT_EQ(to_yaml(read("MODEL:\n  BACKBONE: {FREEZE_AT: 0, NAME: D2SwinTransformer}\n"
                         "  SEM_SEG_HEAD: {NORM: GN}\n")),
            defaults);
}

TEST_F(ConfigFile, WrongTypesSayWhatIsAccepted) {
  const auto expect = [&](const std::string& text, const std::string& message) {
    EXPECT_ERROR(read(text), HasSubstr(message));
  };
  expect("SOLVER:\n  MAX_ITER: abc\n",
         place("2:13") + "SOLVER.MAX_ITER is \"abc\"; expected an integer, at least 0");
  expect("SOLVER: {MAX_ITER: 1.5}", "is 1.5; expected an integer");
  expect("SOLVER: {MAX_ITER: True}", "is True; expected an integer");
  expect("SOLVER: {MAX_ITER: [1]}", "is a list of 1; expected an integer");
  expect("SOLVER: {MAX_ITER: 010}", "is \"010\"; expected an integer");
  expect("SOLVER: {MAX_ITER: }", "is empty; expected an integer");
  expect("SOLVER: {BASE_LR: {a: 1}}", "is a map of keys; expected a number");
  expect("CUDNN_BENCHMARK: 1", "is 1; expected True or False");
  expect("OUTPUT_DIR: 3", "is 3; expected a text");
  expect("INPUT: {MIN_SIZE_TRAIN: 640}", "expected a list of integers such as (1024,)");
  expect("INPUT: {MIN_SIZE_TRAIN: [640, x]}", "expected a list of integers");
  expect("MODEL: {CLIP_RESOLUTION: [1, 2, 3]}", "expected (height, width) or one integer");
  expect("DATASETS: {TRAIN: sam}", "expected a list of texts such as (\"a\", \"b\")");
}

TEST_F(ConfigFile, ASectionMustHoldKeys) {
  EXPECT_ERROR(read("MODEL: 3\n"), place("1:8") + "MODEL is 3; expected a section with its keys");
  EXPECT_ERROR(read("SOLVER:\n  AMP: [1]\n"), HasSubstr("SOLVER.AMP is a list of 1"));
  EXPECT_ERROR(read("- a\n"), HasSubstr("the file is a list of 1"));
  EXPECT_ERROR(read("word\n"), HasSubstr("the file is \"word\""));
}

TEST_F(ConfigFile, ValuesOutOfRangeSayTheRange) {
  EXPECT_ERROR(read("SOLVER: {IMS_PER_BATCH: 0}"), HasSubstr("expected an integer, at least 1"));
  EXPECT_ERROR(read("MODEL: {EPS: 0}"), HasSubstr("expected a number, more than 0"));
  EXPECT_ERROR(read("MODEL: {CLIP_RESOLUTION: [0, 5]}"), HasSubstr("at least 1"));
  EXPECT_ERROR(read("DATALOADER: {MAX_BAD_SAMPLES: 1.5}"), HasSubstr("at least 0 and at most 1"));
  EXPECT_ERROR(read("MODEL: {PIXEL_STD: [1, 2]}"), HasSubstr("a list of 3 numbers"));
  EXPECT_ERROR(read("VERSION: 1"), HasSubstr("expected an integer, 2"));
  EXPECT_ERROR(read("SOLVER: {OPTIMIZER: ADAM}"),
               HasSubstr("one of \"ADAMW\", \"SGD\" (did you mean ADAMW?)"));
}

TEST_F(ConfigFile, HugeAndNonFiniteNumbersAreRefused) {
  for (const char* number : {"nan", ".nan", ".inf", "-.inf", "inf", "1e999", "-1e999"}) {
    EXPECT_ERROR(read(std::string("SOLVER: {BASE_LR: ") + number + "}"), HasSubstr("a number"));
  }
  EXPECT_ERROR(read("SOLVER: {MAX_ITER: 99999999999999999999}"),
               HasSubstr("is 99999999999999999999; expected an integer"));
  EXPECT_EQ(read("SOLVER: {MAX_ITER: 9223372036854775807}").solver.max_iter, INT64_MAX);
  EXPECT_EQ(read("SOLVER: {BASE_LR: 99999999999999999999}").solver.base_lr, 1e20);
  EXPECT_EQ(read("SOLVER: {BASE_LR: 1e-999}").solver.base_lr, 0.0);
}

TEST_F(ConfigFile, DuplicateKeysAreErrors) {
  EXPECT_ERROR(read("SOLVER:\n  MAX_ITER: 1\n  MAX_ITER: 2\n"),
               StartsWith(place("3:3") + "duplicate key MAX_ITER"));
  EXPECT_ERROR(read("SEED: 1\nSOLVER: {}\nSEED: 1\n"), HasSubstr("duplicate key SEED"));
}

TEST_F(ConfigFile, TheEffectiveConfigReadsBackTheSame) {
  const Config c = read(
      "MODEL: {WEIGHTS: \"a \\\"b\\\" \\\\ c: #d\\n\\té\", CLIP_RESOLUTION: [96, 64], EPS: 0.1}\n"
      "SOLVER: {BASE_LR: 1.2345678901234567e-9, STEPS: [1, 2], GAMMA: 1e300, WEIGHT_DECAY: 3}\n"
      "DATASETS: {TRAIN: ['x, y', \"\"], CUSTOM: [{name: a, images: i, labels: l, names: [p, \"q: "
      "r\"],"
      " ignore: 0, label_suffix: _m.tif, image_suffix: _i, list: v.txt, id_map: {7: 0, 8: 1}}, "
      "{name: b, kind: coco, images: i, masks: m.json},"
      " {name: c, images: i, labels: l, names: n.json, id_map: [255, 0]}]}\n"
      "SEED: -1\nCUDNN_BENCHMARK: True\nTEST: {AUG: {FLIP: off}}\n");
  const std::string text = to_yaml(c);
  const Config again = load_config(write("effective.yaml", text));
  EXPECT_EQ(to_yaml(again), text);
  EXPECT_EQ(again.model.weights, "a \"b\" \\ c: #d\n\té");
  EXPECT_EQ(again.solver.base_lr, 1.2345678901234567e-9);
  EXPECT_EQ(again.solver.gamma, 1e300);
  EXPECT_THAT(again.datasets.train, ElementsAre("x, y", ""));
  EXPECT_EQ(again.datasets.custom, c.datasets.custom);
  EXPECT_EQ(again.datasets.custom.size(), 3u);
  EXPECT_FALSE(again.test.aug.flip);
}

TEST_F(ConfigFile, WhatDiffersFromABaseIsAFileOnTopOfIt) {
  const auto base = load_config("", {"TEST.SHORT_SIDE", "448"});
  const auto config = with_overrides(
      base, {"TEST.SLIDING_WINDOW.SIZE", "(32, 64)", "TEST.SYNONYMS", "max", "MODEL.DENSE.METHOD",
             "naclip", "SEED", "3", "TEST.SLIDING_WINDOW.ENABLED", "True"});
  const auto text = to_yaml_where_other(config, base);
  EXPECT_EQ(text,
            "MODEL:\n  DENSE:\n    METHOD: \"naclip\"\n"
            "TEST:\n  SLIDING_WINDOW:\n    ENABLED: True\n    SIZE: [32, 64]\n"
            "  SYNONYMS: \"max\"\nSEED: 3\n");
  EXPECT_EQ(to_yaml_where_other(base, base), "");
}

TEST_F(ConfigFile, OwnDataSetsAreRead) {
  const auto sets =
      read(
          "DATASETS:\n  CUSTOM:\n"
          "    - {name: a, images: i, labels: l, names: n.json, ignore: 9, id_map: [9, 0],\n"
          "       label_suffix: _mask.png, image_suffix: _rgb, list: val.txt}\n"
          "    - name: b\n      kind: id_png\n      images: i\n      masks: m\n")
          .datasets.custom;
  ASSERT_EQ(sets.size(), 2u);
  EXPECT_EQ(sets[0].names_file, "n.json");
  EXPECT_EQ(sets[0].ignore, 9);
  EXPECT_EQ(sets[0].label_suffix, "_mask.png");
  EXPECT_EQ(sets[0].image_suffix, "_rgb");
  EXPECT_EQ(sets[0].list, "val.txt");
  EXPECT_EQ(sets[1].ignore, -1);
  EXPECT_THAT(sets[0].id_map, ElementsAre(std::pair(0, 9), std::pair(1, 0)));
  EXPECT_EQ(sets[1].kind, CustomKind::id_png);
}

TEST_F(ConfigFile, FaultsOfOwnDataSetsAreNamed) {
  const auto expect = [&](const std::string& set, const std::string& message) {
    EXPECT_ERROR(read("DATASETS: {CUSTOM: [" + set + "]}"), HasSubstr(message));
  };
  expect("3", "a set is 3; expected a map");
  expect("{images: i}", "a set has no name");
  expect("{name: a}", "the set a names no folder of images");
  expect("{name: a, image: i}",
         "unknown entry image of a set in DATASETS.CUSTOM (did you mean images?)");
  expect("{name: a, images: i, labels: l}", "has labels but no names");
  expect("{name: a, images: i, labels: l, masks: m, names: [x]}", "declare two sets");
  expect("{name: a, images: i, masks: m, list: v.txt}", "belong to a set with labels");
  expect("{name: a, images: i, kind: sem}", "kind is \"sem\"; expected one of sa1b");
  expect("{name: a, images: i, ignore: -1}", "ignore is -1; expected an integer from 0 to 65535");
  expect("{name: a, images: i, id_map: {x: 1}}", "id_map is \"x\"");
  expect("{name: a, images: i, names: 5}", "names is 5");
}

TEST(ConfigReference, InTheDocsIsUpToDate) {
  EXPECT_EQ(read_text(source("docs/configuration.md")), config_reference())
      << "write it anew: build/pixelclip config --reference > docs/configuration.md";
}

}  // namespace
}  // namespace pixelclip
