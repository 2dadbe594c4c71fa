#include "dist/world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "support/support.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::HasSubstr;

/// The world that `variables` alone describe.
WorldInfo world_of(const std::map<std::string, std::string>& variables) {
  for (const char* name : {"RANK",
                           "WORLD_SIZE",
                           "LOCAL_RANK",
                           "LOCAL_WORLD_SIZE",
                           "MASTER_ADDR",
                           "MASTER_PORT",
                           "TORCHELASTIC_USE_AGENT_STORE",
                           "TORCHELASTIC_RESTART_COUNT",
                           "PIXELCLIP_LAUNCHER",
                           "SLURM_PROCID",
                           "SLURM_NTASKS",
                           "SLURM_STEP_NUM_TASKS",
                           "SLURM_LOCALID",
                           "SLURM_JOB_ID",
                           "SLURM_STEP_ID",
                           "SLURM_STEP_NODELIST",
                           "SLURM_STEP_TASKS_PER_NODE",
                           "SLURM_LAUNCH_NODE_IPADDR",
                           "OMPI_COMM_WORLD_RANK",
                           "OMPI_COMM_WORLD_SIZE",
                           "OMPI_COMM_WORLD_LOCAL_RANK",
                           "OMPI_COMM_WORLD_LOCAL_SIZE",
                           "PMIX_NAMESPACE"}) {
    unsetenv(name);
  }
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  struct Cleaner {
    const std::map<std::string, std::string>& variables;
    ~Cleaner() {
      for (const auto& [name, value] : variables) unsetenv(name.c_str());
    }
  } cleaner{variables};
  return world_from_environment();
}

TEST(World, AnEmptyEnvironmentIsAWorldOfOne) {
  const WorldInfo world = world_of({});
  EXPECT_EQ(world.rank, 0);
  EXPECT_EQ(world.world_size, 1);
  EXPECT_EQ(world.started_by, "alone");
}

TEST(World, TorchrunsVariables) {
  const WorldInfo world = world_of({{"RANK", "5"},
                                    {"WORLD_SIZE", "8"},
                                    {"LOCAL_RANK", "1"},
                                    {"LOCAL_WORLD_SIZE", "4"},
                                    {"MASTER_ADDR", "gpu1"},
                                    {"MASTER_PORT", "29501"},
                                    {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                    {"TORCHELASTIC_RESTART_COUNT", "2"}});
  EXPECT_EQ(world.rank, 5);
  EXPECT_EQ(world.world_size, 8);
  EXPECT_EQ(world.local_rank, 1);
  EXPECT_EQ(world.local_world_size, 4);
  EXPECT_EQ(world.address, "gpu1");
  EXPECT_EQ(world.port, 29501);
  EXPECT_TRUE(world.launcher_has_store);
  EXPECT_EQ(world.attempt, 2);
  EXPECT_EQ(world.started_by, "torchrun");
}

TEST(World, SlurmsStepIsAWorldAndItsBatchScriptIsNot) {
  std::map<std::string, std::string> variables = {
      {"SLURM_JOB_ID", "77"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}, {"SLURM_LOCALID", "0"}};
  EXPECT_EQ(world_of(variables).world_size, 1);
  variables.insert({{"SLURM_STEP_ID", "0"},
                    {"SLURM_STEP_NODELIST", "gpu[07-08]"},
                    {"SLURM_STEP_TASKS_PER_NODE", "4(x2)"}});
  const WorldInfo first = world_of(variables);
  variables["SLURM_PROCID"] = "7";
  variables["SLURM_LOCALID"] = "3";
  const WorldInfo last = world_of(variables);
  EXPECT_EQ(last.rank, 7);
  EXPECT_EQ(last.world_size, 8);
  EXPECT_EQ(last.local_rank, 3);
  EXPECT_EQ(last.local_world_size, 4);
  EXPECT_EQ(last.address, "gpu07");
  EXPECT_EQ(last.port, first.port);
  EXPECT_GE(last.port, 20000);
  variables["MASTER_ADDR"] = "10.0.0.1";
  EXPECT_EQ(world_of(variables).address, "10.0.0.1");
}

TEST(World, OpenMpisVariables) {
  std::map<std::string, std::string> variables = {{"OMPI_COMM_WORLD_RANK", "1"},
                                                  {"OMPI_COMM_WORLD_SIZE", "2"},
                                                  {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                                  {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                                  {"PMIX_NAMESPACE", "prterun-host-99@1"}};
  const WorldInfo world = world_of(variables);
  EXPECT_EQ(world.rank, 1);
  EXPECT_EQ(world.world_size, 2);
  EXPECT_EQ(world.local_rank, 1);
  EXPECT_EQ(world.address, "127.0.0.1");
  EXPECT_GE(world.port, 20000);
  variables["OMPI_COMM_WORLD_SIZE"] = "4";
  EXPECT_ERROR(world_of(variables), HasSubstr("-x MASTER_ADDR=HOST"));
}

TEST(World, ContradictionsAreNamed) {
  EXPECT_ERROR(world_of({{"RANK", "1"}}), HasSubstr("WORLD_SIZE is missing though RANK is set"));
  EXPECT_ERROR(world_of({{"RANK", "two"}, {"WORLD_SIZE", "4"}}),
               HasSubstr("RANK: 'two' is not a whole number"));
  EXPECT_ERROR(world_of({{"RANK", "4"}, {"WORLD_SIZE", "4"}, {"MASTER_PORT", "1"}}),
               HasSubstr("rank 4 of 4 processes"));
  EXPECT_ERROR(world_of({{"RANK", "0"}, {"WORLD_SIZE", "4"}}), HasSubstr("MASTER_PORT is missing"));
  EXPECT_ERROR(world_of({{"RANK", "0"}, {"WORLD_SIZE", "4"}, {"MASTER_PORT", "70000"}}),
               HasSubstr("70000 is no port"));
}

TEST(World, TheMasterAddressIsReadInEveryForm) {
  const auto meeting = [](const std::string& address, const std::string& port) {
    std::map<std::string, std::string> variables = {
        {"RANK", " 1"}, {"WORLD_SIZE", "2 "}, {"MASTER_PORT", port}};
    if (!address.empty()) variables["MASTER_ADDR"] = address;
    const WorldInfo world = world_of(variables);
    EXPECT_EQ(world.rank, 1);
    return str(world.address, " ", world.port);
  };
  EXPECT_EQ(meeting("gpu1", "29500"), "gpu1 29500");
  EXPECT_EQ(meeting(" gpu1\n", " 29500 "), "gpu1 29500");
  EXPECT_EQ(meeting("   ", "29500"), "127.0.0.1 29500");
  EXPECT_EQ(meeting("", "tcp://10.96.0.7:29500"), "10.96.0.7 29500")
      << "a service of Kubernetes called master";
  EXPECT_EQ(meeting("gpu1", "tcp://10.96.0.7:29500"), "gpu1 29500");
  EXPECT_EQ(meeting("", "tcp://[fd00::7]:29500"), "fd00::7 29500");
  EXPECT_EQ(meeting("tcp://gpu1", "29500"), "gpu1 29500");
  EXPECT_EQ(meeting("tcp://gpu1:29500/", "29500"), "gpu1 29500");
  EXPECT_EQ(meeting("gpu1:29500", ""), "gpu1 29500");
  EXPECT_EQ(meeting("fd00::7", "29500"), "fd00::7 29500");
  EXPECT_EQ(meeting("[fd00::7]", "29500"), "fd00::7 29500");
  EXPECT_ERROR(meeting("gpu1:29500", "29501"), HasSubstr("name different ports"));
  EXPECT_ERROR(meeting("gpu1:x", "29500"), HasSubstr("MASTER_ADDR: 'gpu1:x' is no host"));
  EXPECT_ERROR(meeting("gpu1", "tcp://gpu1"), HasSubstr("neither a port nor tcp://HOST:PORT"));
  EXPECT_ERROR(meeting("gpu1", "http"), HasSubstr("MASTER_PORT: 'http' is not a whole number"));
}

TEST(World, ASingleProcessIgnoresTheMasterAddress) {
  EXPECT_EQ(world_of({{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"MASTER_PORT", "tcp://x"}}).world_size,
            1);
}

TEST(World, TheFirstHostOfASlurmNodeList) {
  EXPECT_EQ(first_slurm_host("gpu1"), "gpu1");
  EXPECT_EQ(first_slurm_host("gpu1,gpu[2-3]"), "gpu1");
  EXPECT_EQ(first_slurm_host("gpu[07-09,12],login"), "gpu07");
  EXPECT_EQ(first_slurm_host("rack[3,5]-gpu,x"), "rack3-gpu");
  EXPECT_ERROR(first_slurm_host("gpu[07-09"), HasSubstr("has no ']'"));
}

}  // namespace
}  // namespace pixelclip::testing
