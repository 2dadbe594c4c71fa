#include <fstream>

#include "config/check.hpp"
#include "config/config.hpp"
#include "config/writer.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempFolder;

/// A configuration of detectron2 in a file.
class Detectron2Config : public ::testing::Test {
 protected:
  Config read(const std::string& text, const std::vector<std::string>& overrides = {}) {
    const auto path = folder_ / "a.yaml";
    std::ofstream(path, std::ios::binary) << text;
    return load_config(path, overrides);
  }
  TempFolder folder_;
};

TEST_F(Detectron2Config, ADumpLoadsWithEveryKeyUsedOrIgnored) {
  const Config c =
      load_config(std::string(PIXELCLIP_SOURCE_DIR) + "/tests/config/detectron2_dump.yaml");
  EXPECT_EQ(c.model.sem_seg_head.clip_pretrained, "convnext_base");
  EXPECT_EQ(c.model.clip_resolution, (Size2{640, 640}));
  EXPECT_EQ(c.solver.clip_gradients.clip_value, 0.01);
  EXPECT_FALSE(c.solver.nesterov);
  EXPECT_EQ(c.dataloader.sampler_train, "TrainingSampler");
  EXPECT_EQ(c.float32_precision, MatmulPrecision::unset);
  EXPECT_THAT(
      c.passed_over.keys,
      AllOf(Contains("DATALOADER.REPEAT_SQRT"), Contains("MODEL.RPN.BBOX_REG_WEIGHTS"),
            Contains("TEST.EXPECTED_RESULTS"), Contains("DATASETS.VAL_ALL"),
            Contains("GLOBAL.HACK"), Contains("MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS"),
            Contains("SOLVER.WEIGHT_DECAY_BIAS")));
  EXPECT_THAT(c.passed_over.remarks, IsEmpty());
  EXPECT_GT(c.passed_over.keys.size(), 130u);
}

TEST_F(Detectron2Config, OfThePublicTrainersFolderLoads) {
  SKIP_WITHOUT_SHARED();
  const Config c = load_config(testing::shared_folder() / "golden/public_run/config.yaml");
  EXPECT_EQ(c.solver.max_iter, 4);
  EXPECT_EQ(c.seed, 3);
  EXPECT_THAT(c.passed_over.remarks, IsEmpty());
}

TEST_F(Detectron2Config, IgnoredKeysChangeNothingAndAreCountedOnce) {
  const Config c = read("MODEL:\n  RPN: {NMS_THRESH: 0.1, IN_FEATURES: [p2]}\n  MASK_ON: True\n",
                        {"MODEL.RPN.NMS_THRESH", "0.2", "MODEL.FPN.NORM", "{*"});
  EXPECT_THAT(c.passed_over.keys, ElementsAre("MODEL.RPN.NMS_THRESH", "MODEL.RPN.IN_FEATURES",
                                              "MODEL.MASK_ON", "MODEL.FPN.NORM"));
  EXPECT_EQ(to_yaml(c), to_yaml(Config()));
}

TEST_F(Detectron2Config, AKeyThatNeitherKnowsIsAnErrorWithTheNearestName) {
  EXPECT_ERROR(read("MODEL: {RPN: {NMS_TRESH: 0.7}}"),
               EndsWith("unknown key MODEL.RPN.NMS_TRESH (did you mean MODEL.RPN.NMS_THRESH?)"));
  EXPECT_ERROR(read("MODEL: {RPM: {NMS_THRESH: 0.7}}"), HasSubstr("unknown key MODEL.RPM"));
  EXPECT_ERROR(read("SOLVER: {NESTEROF: True}"), HasSubstr("(did you mean SOLVER.NESTEROV?)"));
  EXPECT_ERROR(read("SOLVER: {BIAS_LR_FACTR: 2}"),
               HasSubstr("(did you mean SOLVER.BIAS_LR_FACTOR?)"));
  EXPECT_ERROR(read("DATALOADER: {REPEAT_SQRTS: True}"),
               HasSubstr("(did you mean DATALOADER.REPEAT_SQRT?)"));
  EXPECT_ERROR(read("", {"MODEL.ROI_HEADS.NUM_CLASES", "1"}),
               HasSubstr("MODEL.ROI_HEADS.NUM_CLASSES?"));
  EXPECT_ERROR(read("MODEL: {RPN: 3}"), HasSubstr("MODEL.RPN is 3; expected a section"));
  EXPECT_ERROR(read("", {"MODEL.RPN", "3"}), HasSubstr("MODEL.RPN is a section"));
}

TEST_F(Detectron2Config, AnUnreadKeyThatIsSetToActIsNamedWithTheReason) {
  const Config c = read(
      "SOLVER: {BIAS_LR_FACTOR: 2.0, WEIGHT_DECAY_BIAS: 0.0}\n"
      "TEST: {EXPECTED_RESULTS: [[sem_seg, mIoU, 38.5, 0.5]], PRECISE_BN: {ENABLED: True}}\n");
  EXPECT_THAT(c.passed_over.remarks,
              ElementsAre(HasSubstr("SOLVER.BIAS_LR_FACTOR is 2.0, which has no effect"),
                          HasSubstr("SOLVER.WEIGHT_DECAY_BIAS is 0.0"),
                          HasSubstr("TEST.EXPECTED_RESULTS is a list of 1"),
                          HasSubstr("no batch normalisation")));
  EXPECT_THAT(read("SOLVER: {BIAS_LR_FACTOR: 1, WEIGHT_DECAY_BIAS: null}").passed_over.remarks,
              IsEmpty());
}

TEST_F(Detectron2Config, AnotherSamplerTrainsNothingButMayBeScored) {
  const Config c = read(
      "DATALOADER: {SAMPLER_TRAIN: RepeatFactorTrainingSampler}\nDATASETS: {TRAIN: [sam]}\n"
      "MODEL: {SEM_SEG_HEAD: {TRAIN_CLASS_JSON: '', TEST_CLASS_JSON: ''}}\n");
  EXPECT_ERROR(
      check(c),
      HasSubstr("SAMPLER_TRAIN is RepeatFactorTrainingSampler, which draws other samples"));
  EXPECT_NO_THROW(check(c, 1, Purpose::evaluate));
}

TEST_F(Detectron2Config, NesterovNeedsAMomentum) {
  EXPECT_ERROR(check(read("SOLVER: {OPTIMIZER: SGD, NESTEROV: True, MOMENTUM: 0}")),
               HasSubstr("SOLVER.NESTEROV needs a SOLVER.MOMENTUM above 0"));
}

TEST_F(Detectron2Config, IsScaledFromItsReferenceWorldSizeAsDetectron2Does) {
  Config c = read(
      "SOLVER: {IMS_PER_BATCH: 16, BASE_LR: 0.1, REFERENCE_WORLD_SIZE: 8, MAX_ITER: 5000, STEPS: "
      "[4000, 4501],\n"
      "  CHECKPOINT_PERIOD: 1001, WARMUP_ITERS: 3}\nTEST: {EVAL_PERIOD: 7}\n");
  EXPECT_FALSE(scale_to_world(c, 8));
  EXPECT_TRUE(scale_to_world(c, 16));
  EXPECT_EQ(c.solver.ims_per_batch, 32);
  EXPECT_DOUBLE_EQ(c.solver.base_lr, 0.2);
  EXPECT_EQ(c.solver.max_iter, 2500);
  EXPECT_THAT(c.solver.steps,
              ElementsAre(2000, 2250));  // 2250.5 and 500.5 go to the even neighbour
  EXPECT_EQ(c.solver.checkpoint_period, 500);
  EXPECT_EQ(c.solver.warmup_iters, 2);
  EXPECT_EQ(c.test.eval_period, 4);
  EXPECT_FALSE(scale_to_world(c, 16)) << "what is scaled stays as it is";
  c = read("SOLVER: {IMS_PER_BATCH: 12, REFERENCE_WORLD_SIZE: 8}");
  EXPECT_ERROR(scale_to_world(c, 2),
               HasSubstr("a multiple of SOLVER.REFERENCE_WORLD_SIZE, which is 8"));
  c = read("SOLVER: {IMS_PER_BATCH: 12}");
  EXPECT_FALSE(scale_to_world(c, 5));
}

/// What `eval` takes from its command line.
Config protocol(const std::vector<std::string>& overrides) {
  Config config = load_config("", overrides);
  apply_to_protocol(config, overrides);
  return config;
}

TEST(ProtocolOverrides, OfTheCommandLineReplaceTheProtocolsOwn) {
  const Config usual = protocol({"SEED", "1"});
  EXPECT_EQ(usual.test.protocol.size(), 5u);
  EXPECT_EQ(usual.test.prompt_ensemble_type, "imagenet_select");
  EXPECT_EQ(usual.test.class_json, "");
  const Config c = protocol({"DATASETS.TEST", "('mine',)", "MODEL.PROMPT_ENSEMBLE_TYPE", "single",
                             "MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON", "datasets/voc20.json"});
  EXPECT_THAT(c.test.protocol, ElementsAre("mine"));
  EXPECT_THAT(sets_of(c, Purpose::protocol), ElementsAre("mine"));
  EXPECT_EQ(c.test.prompt_ensemble_type, "single");
  EXPECT_EQ(c.test.class_json, "datasets/voc20.json");
}

TEST(ProtocolOverrides, OfTestTakePrecedenceOverOtherSections) {
  const Config c =
      protocol({"TEST.PROTOCOL", "('a',)", "DATASETS.TEST", "('b',)", "TEST.PROMPT_ENSEMBLE_TYPE",
                "vild", "MODEL.PROMPT_ENSEMBLE_TYPE", "single"});
  EXPECT_THAT(c.test.protocol, ElementsAre("a"));
  EXPECT_EQ(c.test.prompt_ensemble_type, "vild");
}

TEST(ProtocolOverrides, AnEmptyListOfSetsKeepsTheProtocol) {
  EXPECT_EQ(protocol({"DATASETS.TEST", "()"}).test.protocol.size(), 5u);
}

TEST_F(Detectron2Config, TheFilesOwnTestSetsDoNotReplaceTheProtocol) {
  Config c = read("DATASETS: {TEST: [mine]}\nMODEL: {PROMPT_ENSEMBLE_TYPE: single}\n");
  apply_to_protocol(c, {});
  EXPECT_EQ(c.test.protocol.size(), 5u);
  EXPECT_EQ(c.test.prompt_ensemble_type, "imagenet_select");
}

TEST_F(Detectron2Config, TemplatesOfTheCommandLineReplaceTheTemplatesFileOfTheYaml) {
  const std::vector<std::string> overrides = {"MODEL.PROMPT_ENSEMBLE_TYPE", "single"};
  Config c = read("MODEL: {PROMPT_TEMPLATES_FILE: t.txt}\n", overrides);
  apply_to_protocol(c, overrides);
  EXPECT_EQ(c.model.prompt_templates_file, "");
}

}  // namespace
}  // namespace pixelclip
