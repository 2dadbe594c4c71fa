#include "dist/launch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <torch/types.h>

#include <filesystem>

#include "dist/comm.hpp"
#include "dist/ddp.hpp"
#include "dist/processes.hpp"
#include "support/support.hpp"

namespace pixelclip::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Program launcher(int processes, const std::vector<std::string>& scenario) {
  std::vector<std::string> arguments = {"--launch", str(processes), "1", "0", "auto"};
  arguments.insert(arguments.end(), scenario.begin(), scenario.end());
  return Program(arguments);
}

Outcome launched(int processes, const std::string& scenario) {
  Outcome outcome = launcher(processes, {scenario}).wait();
  EXPECT_EQ(workers_in(outcome.output).size(), static_cast<size_t>(processes)) << outcome.output;
  EXPECT_TRUE(all_gone(workers_in(outcome.output))) << "a worker outlived its launcher";
  return outcome;
}

std::map<std::string, std::string> place(int rank, int world, int port) {
  return {{"RANK", str(rank)},       {"WORLD_SIZE", str(world)},   {"LOCAL_RANK", str(rank)},
          {"LOCAL_WORLD_SIZE", "2"}, {"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", str(port)}};
}

TEST(Comm, CollectivesGiveTheSameResultOnEveryRank) {
  const Outcome outcome = launched(3, "values");
  EXPECT_EQ(outcome.status, 0) << outcome.output;
}

TEST(GradientReducer, GradientsAreTheMeanOverTheRanksAlsoWhereAParameterIsUnused) {
  const Outcome outcome = launched(2, "gradients");
  EXPECT_EQ(outcome.status, 0) << outcome.output;
}

TEST(Launch, AWorkerThatThrowsStopsAllOthersWithItsReason) {
  const Outcome outcome = launched(3, "throws");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output,
              AllOf(HasSubstr("rank 1 failed: the disk is on fire; all other"),
                    HasSubstr("stopped because rank 1 failed: the disk is on fire")));
}

TEST(Launch, AKilledWorkerStopsAllOthers) {
  const Outcome outcome = launched(2, "dies");
  EXPECT_EQ(outcome.status, 128 + SIGKILL);
  EXPECT_THAT(outcome.output, HasSubstr("rank 1 was killed by signal 9 (Killed)"));
}

TEST(Launch, AWorkerThatFailsBeforeTheRendezvousStopsTheOthers) {
  const Outcome outcome = launched(2, "dies early");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("no such file"), HasSubstr("rank 1 ended with")));
}

TEST(Comm, ALateCollectiveNamesRankStepOperationAndWhoIsMissing) {
  const Outcome outcome = launched(2, "is late");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output,
              AllOf(HasSubstr("rank 0, step 7: all_reduce of 'assignment' did not finish in time"),
                    HasSubstr("still missing: rank 1 (step 7, after barrier 'start')")));
}

TEST(Comm, ARankWithoutAHeartbeatStopsTheRun) {
  const Outcome outcome = launched(2, "stops");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("rank 1 has sent no heartbeat for 2 s"));
}

TEST(Comm, RanksOnDifferentKindsOfDeviceEndBeforeTheFirstCollective) {
  const Outcome outcome = launched(2, "mixed devices");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("rank 1 computes on cpu, but rank 0 on cuda:0"));
}

TEST(Comm, TwoRanksOnOneGpuEndBeforeTheFirstCollective) {
  const Outcome outcome = launched(2, "one gpu");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("ranks 0 and 1 would use the same GPU (cuda:0)"));
}

TEST(Watch, AnErrorOfTheGpuIsNotTakenForALostConnection) {
  const Outcome outcome = Program({"--worker", "gpu fails"}).wait();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output,
              AllOf(HasSubstr("rank 0: the GPU reports an error in or before all_reduce of 'sums': "
                              "an illegal memory access"),
                    Not(HasSubstr("connection"))));
}

TEST(Launch, WorkersDieWithTheirLauncher) {
  Program program = launcher(2, {"signals", str(SIGUSR2)});
  ASSERT_TRUE(program.says("ready", 2)) << program.output();
  kill(program.process(), SIGKILL);
  const Outcome outcome = program.wait();
  EXPECT_EQ(workers_in(outcome.output).size(), 2u);
  EXPECT_TRUE(all_gone(workers_in(outcome.output)));
}

TEST(Launch, CtrlCReachesEachWorkerOnce) {
  Program program = launcher(2, {"signals", str(SIGINT)});
  ASSERT_TRUE(program.says("ready", 2)) << program.output();
  kill(-program.process(), SIGINT);  // as a terminal does: to the whole group
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("signals: 1\n"), Not(HasSubstr("signals: 2"))));
}

TEST(Comm, ARankThatWaitsForOthersEndsByASignal) {
  Program alone({"--worker", "values"}, place(0, 2, free_port()));
  Program caller({"--worker", "values"}, place(1, 2, free_port()));  // nobody serves there
  for (Program* program : {&alone, &caller}) {
    ASSERT_TRUE(program->says("process "));
    kill(program->process(), SIGTERM);
    const Outcome outcome = program->wait();
    EXPECT_EQ(outcome.status, 128 + SIGTERM) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("stopped by SIGTERM while "));
  }
}

TEST(Launch, ASignalEndsRanksThatWaitForOneThatStaysAway) {
  for (const int number : {SIGTERM, SIGHUP}) {
    Program program = launcher(2, {"stays away"});
    ASSERT_TRUE(program.says("process ", 2)) << program.output();
    kill(program.process(), number);
    const Outcome outcome = program.wait();
    EXPECT_EQ(outcome.status, 128 + number) << outcome.output;
    EXPECT_TRUE(all_gone(workers_in(outcome.output)));
  }
}

TEST(Comm, ARankThatASignalEndsIsNamedByTheOthers) {
  const int port = free_port();
  Program first({"--worker", "is killed"}, place(0, 2, port));
  Program second({"--worker", "is killed"}, place(1, 2, port));
  ASSERT_TRUE(first.says("ready")) << first.output();
  ASSERT_TRUE(second.says("ready")) << second.output();
  kill(second.process(), SIGTERM);
  EXPECT_EQ(second.wait().status, 128 + SIGTERM);
  const Outcome outcome = first.wait();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("stopped because rank 1 was stopped by SIGTERM"));
}

TEST(Comm, AnUnresolvableHostNameIsNoError) {
  char name[256] = {};
  ASSERT_EQ(gethostname(name, sizeof(name) - 1), 0);
  const int port = free_port();
  for (const char* local : {"2", "1"}) {  // on one machine, and as if on two
    auto with_name = [&](int rank) {
      auto variables = place(rank, 2, port);
      variables["MASTER_ADDR"] =
          str(" ", std::string(name).substr(0, std::string(name).find('.')), ".invalid ");
      variables["LOCAL_WORLD_SIZE"] = local;
      if (*local == '1') variables["LOCAL_RANK"] = "0";
      return variables;
    };
    Program first({"--worker", "gradients"}, with_name(0));
    Program second({"--worker", "gradients"}, with_name(1));
    const Outcome outcome = first.wait();
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    EXPECT_EQ(second.wait().status, 0);
  }
}

TEST(Comm, APortInUseIsNamedWithARemedy) {
  const int taken = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(taken, 1), 0);
  ASSERT_EQ(getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const int port = ntohs(address.sin6_port);
  const Outcome outcome = Program({"--worker", "gradients"}, place(0, 2, port)).wait();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr(str("cannot listen on port ", port)));
  EXPECT_THAT(outcome.output, HasSubstr("choose another port (--dist-url, MASTER_PORT)"));
  ::close(taken);
}

Program machine(int rank, int port, const std::string& scenario) {
  return Program({"--launch", "1", "2", str(rank), str("tcp://127.0.0.1:", port), scenario});
}

TEST(Launch, TwoMachinesConnectThroughAnAddress) {
  const int port = free_port();
  Program first = machine(0, port, "gradients");
  Program second = machine(1, port, "gradients");
  EXPECT_EQ(first.wait().status, 0);
  EXPECT_EQ(second.wait().status, 0);
}

TEST(Launch, AFailureOnOneMachineStopsTheOtherWithItsReason) {
  const int port = free_port();
  Program first = machine(0, port, "dies");
  Program second = machine(1, port, "dies");
  const Outcome outcome = first.wait();
  EXPECT_NE(outcome.status, 0);
  EXPECT_THAT(outcome.output, HasSubstr("rank 0 stopped because rank 1 was killed by signal 9"));
  EXPECT_EQ(second.wait().status, 128 + SIGKILL);
  EXPECT_TRUE(all_gone(workers_in(outcome.output)));
}

TEST(Comm, WithoutALauncherTheOthersReportTheReason) {
  const int port = free_port();
  Program first({"--worker", "throws"}, place(0, 2, port));
  Program second({"--worker", "throws"}, place(1, 2, port));
  const Outcome outcome = first.wait();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("stopped because rank 1 failed: the disk is on fire"));
  EXPECT_EQ(second.wait().status, 1);
}

TEST(Comm, WithoutALauncherTheDeathOfTheRankThatServesStopsTheOthers) {
  const int port = free_port();
  Program first({"--worker", "is killed"}, place(0, 2, port));
  Program second({"--worker", "is killed"}, place(1, 2, port));
  ASSERT_TRUE(second.says("ready")) << second.output();
  kill(first.process(), SIGKILL);
  const Outcome outcome = second.wait();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("the process that served it has died"));
}

TEST(Comm, AnAbsentRankIsNamed) {
  Program alone({"--worker", "waits"}, place(0, 3, free_port()));
  const Outcome outcome = alone.wait();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("of 3 these did not come: 1, 2"));
}

TEST(Comm, TorchrunStartsTheRanks) {
  const std::string torchrun = PIXELCLIP_SOURCE_DIR "/.deps/venv/bin/torchrun";
  if (!std::filesystem::exists(torchrun)) GTEST_SKIP() << "no torchrun here";
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  Program program({"--no-python", "--nproc-per-node=2", str("--master-port=", free_port()), self,
                   "--worker", "gradients"},
                  {}, torchrun);
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(workers_in(outcome.output).size(), 2u);
}

TEST(Launch, BadOptionsAreRefused) {
  LaunchOptions options;
  options.argv = {"x"};
  options.num_processes = 0;
  EXPECT_ERROR(launch(options), HasSubstr("the number of processes is 0; expected at least 1"));
  options.num_processes = 2;
  for (const char* url : {"", "tcp://", "tcp://:80", "tcp://host", "tcp://host:0",
                          "tcp://host:65536", "tcp://host:8x", "http://host:80", "tcp://host:"}) {
    options.dist_url = url;
    EXPECT_ERROR(launch(options), HasSubstr("expected auto or tcp://HOST:PORT"));
  }
  options.dist_url = "auto";
  options.num_machines = 2;
  EXPECT_ERROR(launch(options), HasSubstr("give tcp://HOST:PORT of machine 0"));
  options.machine_rank = 2;
  EXPECT_ERROR(launch(options), HasSubstr("the machine's rank is 2; expected 0 to 1"));
}

TEST(Comm, AWorldOfOneNeedsNoOthers) {
  Comm comm;
  const auto tensor = torch::arange(4);
  comm.all_reduce(tensor, "nothing");
  comm.broadcast(tensor, "nothing");
  comm.barrier("nothing");
  EXPECT_TRUE(tensor.equal(torch::arange(4)));
  EXPECT_EQ(comm.all_gather(std::string("a"), "nothing"), std::vector<std::string>{"a"});
  EXPECT_EQ(comm.all_reduce(2.5, "nothing"), 2.5);
  EXPECT_EQ(comm.backend(), "none");
  const auto weight = torch::ones({3}, torch::requires_grad());
  GradientReducer reducer({{"weight", weight}}, comm);
  reducer.backward((weight * 2).sum());
  EXPECT_TRUE(weight.grad().equal(torch::full({3}, 2.0)));
  EXPECT_EQ(run_rank(comm, []() -> int { fail("out of paper"); }), 1);
  EXPECT_EQ(run_rank(comm, [] { return 0; }), 0);
}

}  // namespace
}  // namespace pixelclip::testing
