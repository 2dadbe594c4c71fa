#include "engine/scoring.hpp"

#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "config/class_names.hpp"
#include "engine/model_factory.hpp"
#include "engine/protocol.hpp"
#include "engine/text_cache.hpp"
#include "io/torch_file.hpp"
#include "support/device.hpp"
#include "support/tensors.hpp"

namespace pixelclip {
namespace {

using testing::close;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::shared_folder;
using testing::TempFolder;

/// The golden evaluation: detectron2 scored the same weights on the same four pictures.
struct GoldenRun {
  /// Runs that share a folder share the class embeddings kept in it.
  explicit GoldenRun(const TempFolder& folder, std::vector<std::string> more = {}) {
    const auto golden = shared_folder() / "golden";
    std::vector<std::string> keys = {"MODEL.DEVICE",
                                     testing::device(),
                                     "MODEL.WEIGHTS",
                                     golden / "vit/model.pth",
                                     "MODEL.SEM_SEG_HEAD.NUM_CLASSES",
                                     "8",
                                     "MODEL.CLIP_RESOLUTION",
                                     "(96, 96)",
                                     "MODEL.PROMPT_ENSEMBLE_TYPE",
                                     "imagenet_select",
                                     "DATASETS.ROOT",
                                     golden / "data/datasets",
                                     "OUTPUT_DIR",
                                     folder / "out"};
    keys.insert(keys.end(), more.begin(), more.end());
    config = load_config(testing::test_files() / "configs/pixelclip_vit_base.yaml", keys);
    model = build_model(config.model, torch::Device(testing::device()));
  }

  SetResult score() {
    return score_sets(model, config, test_plan(config), comm, config.output_dir, false).front();
  }

  Config config;
  PixelCLIP model{nullptr};
  Comm comm;
};

double expected_miou() {
  const std::string text = read_text(shared_folder() / "golden/data/ade_results.json");
  return std::stod(text.substr(text.find("\"mIoU\": ") + 8));
}

TEST(Scoring, MeetsThePublicImplementationsNumber) {
  SKIP_WITHOUT_SHARED();
  const TempFolder folder;
  GoldenRun run(folder);
  const SetResult result = run.score();
  EXPECT_NEAR(score_of(result.scores, "mIoU"), expected_miou(), 0.05);
  EXPECT_EQ(result.scored, 4);
  EXPECT_TRUE(std::filesystem::exists(folder / "out/inference/sem_seg_predictions.json"));
  EXPECT_TRUE(std::filesystem::exists(folder / "out/inference/confusion.csv"));
  const auto saved = read_torch_file(folder / "out/inference/sem_seg_evaluation.pth");
  EXPECT_EQ(saved.as_dict().at("mIoU").as_double(), score_of(result.scores, "mIoU"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out/inference/.progress.0"));
}

TEST(Scoring, EveryOptionRunsAndNoneChangesTheDefault) {
  SKIP_WITHOUT_SHARED();
  const TempFolder folder;
  GoldenRun run(folder, {"MODEL.PROMPT_ENSEMBLE_TYPE", "single"});
  const SetResult usual = run.score();
  std::set<std::string> prints = {usual.fingerprint};
  for (std::vector<std::string> keys : std::initializer_list<std::vector<std::string>>{
           {"TEST.RULE", "mmseg"},
           {"TEST.KEEP_ASPECT", "True"},
           {"TEST.SLIDING_WINDOW.ENABLED", "True", "TEST.SLIDING_WINDOW.SIZE", "96",
            "TEST.SLIDING_WINDOW.STRIDE", "64", "TEST.SHORT_SIDE", "128"},
           {"TEST.AUG.ENABLED", "True", "TEST.AUG.MIN_SIZES", "[640, 960]"},
           {"TEST.SYNONYMS", "max"},
           {"TEST.REFINE", "pamr", "TEST.PAMR.ITERATIONS", "1", "TEST.PAMR.DILATIONS", "[1]"},
           {"MODEL.DENSE.METHOD", "naclip"},
           {"MODEL.DENSE.METHOD", "naclip", "MODEL.DENSE.STD", "2"},
           {"MODEL.DENSE.METHOD", "naclip", "MODEL.DENSE.FORM", "full"},
           {"MODEL.DENSE.METHOD", "proxyclip", "MODEL.DENSE.HELPER_WEIGHTS",
            shared_folder() / "golden/dense/dino8.safetensors"},
           {"MODEL.DENSE.METHOD", "proxyclip", "MODEL.DENSE.HELPER_WEIGHTS",
            shared_folder() / "golden/dino/dino.pth"},
           {"TEST.SCORES", "pixels", "TEST.SHORT_SIDE", "96"},
           {"TEST.SCORES", "pixels", "TEST.SHORT_SIDE", "96", "TEST.RESIZE", "opencv"},
           {"TEST.PER_SET", "['ade20k_150_test_sem_seg TEST.SCORES pixels TEST.SHORT_SIDE 64']"},
           {"MODEL.PRECISION", "bfloat16"}}) {
    keys.insert(keys.end(), {"MODEL.PROMPT_ENSEMBLE_TYPE", "single"});
    GoldenRun other(folder, keys);
    const SetResult result = other.score();
    EXPECT_EQ(result.scored, 4) << keys[0];
    EXPECT_TRUE(prints.insert(result.fingerprint).second)
        << keys[0] << " must show in the fingerprint";
  }
  GoldenRun nothing(folder, {"MODEL.PROMPT_ENSEMBLE_TYPE", "single", "TEST.SHORT_SIDE", "500",
                             "TEST.PAMR.ITERATIONS", "3", "MODEL.DENSE.STD", "3", "TEST.PER_SET",
                             "['demo_val TEST.SHORT_SIDE 64']"});
  const SetResult result = nothing.score();
  EXPECT_EQ(result.confusion.counts(), usual.confusion.counts());
  EXPECT_EQ(result.fingerprint, usual.fingerprint) << "keys of what is off decide nothing";
  EXPECT_EQ(run.score().confusion.counts(), usual.confusion.counts());
}

TEST(Scoring, OverridesOfTheCommandLineCountInTheProtocolAndShowInTheFingerprint) {
  SKIP_WITHOUT_SHARED();
  const TempFolder folder;
  const auto print = [&](const std::vector<std::string>& overrides) {
    GoldenRun run(folder);
    Config& config = run.config;
    config.test.protocol = {"ade20k_150_test_sem_seg"};
    Config given = load_config("", overrides);
    config.model.prompt_ensemble_type = given.model.prompt_ensemble_type;
    config.model.sem_seg_head.test_class_json = given.model.sem_seg_head.test_class_json;
    apply_to_protocol(config, overrides);
    return score_sets(run.model, config, protocol_plan(config), run.comm, config.output_dir, true)
        .front()
        .fingerprint;
  };
  auto names = read_class_names("datasets/ade150.json");
  names[0] = "another name";
  write_text(folder / "names.json", nlohmann::json(names).dump());
  const std::string usual = print({"SEED", "1"});
  EXPECT_NE(print({"MODEL.PROMPT_ENSEMBLE_TYPE", "single"}), usual);
  EXPECT_NE(print({"MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON", folder / "names.json"}), usual);
  EXPECT_EQ(print({"MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON", "datasets/ade150.json"}), usual);
}

TEST(Scoring, OneClassListScoresTheSetsThatItFitsAndNamesTheOthers) {
  SKIP_WITHOUT_SHARED();
  const TempFolder folder;
  std::filesystem::create_directory_symlink(
      shared_folder() / "golden/data/datasets/ADEChallengeData2016",
      folder / "ADEChallengeData2016");
  std::filesystem::create_directory_symlink(shared_folder() / "data/voc_mini/VOCdevkit",
                                            folder / "VOCdevkit");
  GoldenRun run(folder, {"TEST.CLASS_JSON", "datasets/ade150.json", "TEST.PROMPT_ENSEMBLE_TYPE",
                         "single", "DATASETS.ROOT", folder.path()});
  const auto score = [&] {
    return score_sets(run.model, run.config, protocol_plan(run.config), run.comm,
                      run.config.output_dir, true);
  };
  run.config.test.protocol = {"voc_2012_test_sem_seg", "ade20k_150_test_sem_seg"};
  const auto results = score();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].set, "ade20k_150_test_sem_seg");
  run.config.test.protocol = {"ade20k_150_test_sem_seg"};
  run.config.test.class_json = "datasets/voc20.json";
  EXPECT_ERROR(score(), HasSubstr("20 names, but the labels of ade20k_150_test_sem_seg have 150"));
}

TEST(Scoring, WithoutSetsTrainingGoesOnWithoutScoresAndTheProtocolIsRefused) {
  SKIP_WITHOUT_SHARED();
  const TempFolder folder;
  GoldenRun run(folder, {"DATASETS.TEST", "()", "TEST.PROTOCOL", "()"});
  EXPECT_TRUE(
      score_sets(run.model, run.config, test_plan(run.config), run.comm, folder / "out", false)
          .empty());
  EXPECT_ERROR(protocol_plan(run.config), HasSubstr("TEST.PROTOCOL is empty"));
}

TEST(Scoring, ClassEmbeddingsAreCachedAndADamagedFileIsReplaced) {
  SKIP_WITHOUT_SHARED();
  const TempFolder output;
  GoldenRun run(output);
  const auto folder = output / "kept";
  const std::vector<std::string> names = {"cat", "dog, hound"}, templates = {"a {}.", "the {}"};
  const auto first = cached_class_embeddings(run.model, names, templates, folder, true);
  ASSERT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  EXPECT_TRUE(
      torch::equal(cached_class_embeddings(run.model, names, templates, folder, true), first));
  const auto file = std::filesystem::directory_iterator(folder)->path();
  write_text(file, "damaged");
  EXPECT_TRUE(
      close(cached_class_embeddings(run.model, names, templates, folder, true), first, 1e-6));
  cached_class_embeddings(run.model, {"cat", "dog"}, templates, folder, true);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 2);
}

std::vector<View> views_as(const Config& config, const Image& image) {
  return views_of(image, config.input, config.test, config.model.clip_resolution);
}

TEST(Views, TheDefaultIsOneViewResizedAsDetectron2Does) {
  Config config = load_config(
      "", {"INPUT.MIN_SIZE_TEST", "64", "INPUT.MAX_SIZE_TEST", "80", "INPUT.FORMAT", "RGB"});
  const auto views = views_as(config, Image(100, 200, 3));
  ASSERT_EQ(views.size(), 1u);
  EXPECT_THAT(views[0].image.sizes().vec(), ElementsAre(3, 40, 80));
  EXPECT_EQ(views[0].input, (Size2{320, 320}));
}

TEST(Protocol, TheDefaultsTextIsWithoutKeysThatWereAddedLater) {
  const auto text = protocol_text(Config(), {"a {}"});
  for (const char* key : {"DENSE", "HELPER", "SCORES", "RESIZE"})
    EXPECT_THAT(text, Not(HasSubstr(key)));
}

TEST(Views, PixelScoresKeepTheImagesShapeExactly) {
  const auto config = load_config("", {"TEST.SCORES", "pixels", "TEST.SHORT_SIDE", "336",
                                       "INPUT.MAX_SIZE_TEST", "2048", "TEST.RESIZE", "opencv"});
  const auto view = views_as(config, Image(375, 500, 3)).front();
  EXPECT_EQ(view.input, (Size2{336, 448}));
  EXPECT_EQ(view.full, (Size2{375, 500}));
  EXPECT_THAT(view.image.sizes().vec(), ElementsAre(3, 336, 448));
  EXPECT_EQ(views_as(config, Image(333, 500, 3)).front().input, (Size2{336, 505}));
  EXPECT_EQ(views_as(config, Image(100, 1000, 3)).front().input, (Size2{205, 2048}));
}

TEST(Views, SizesShapesAndMirrorImages) {
  Config config = load_config("", {"INPUT.MIN_SIZE_TEST", "640", "TEST.AUG.ENABLED", "True",
                                   "TEST.AUG.MIN_SIZES", "[320, 640]"});
  const Image image(300, 600, 3);
  auto views = views_as(config, image);
  ASSERT_EQ(views.size(), 4u);
  EXPECT_EQ(views[0].input, (Size2{160, 160}));
  EXPECT_TRUE(views[1].flip);
  EXPECT_EQ(views[2].input, (Size2{320, 320}));
  config.test.keep_aspect = true;
  views = views_as(config, image);
  EXPECT_EQ(views[2].input, (Size2{320, 640}));
  EXPECT_THAT(views[2].image.sizes().vec(), ElementsAre(3, 320, 640));
  config.test.sliding_window.enabled = true;
  EXPECT_EQ(views_as(config, image)[2].input, (Size2{640, 1280}));
  config.test.short_side = 448;
  EXPECT_EQ(views_as(config, image)[2].input, (Size2{448, 896}));
  config.test.aug.flip = false;
  EXPECT_EQ(views_as(config, image).size(), 2u);
}

}  // namespace
}  // namespace pixelclip
