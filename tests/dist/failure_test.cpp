#include "dist/failure.hpp"

#include <c10/util/Exception.h>

#include "base/error.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {

/// The texts of ProcessGroupNCCL's errors in LibTorch 2.11.
std::runtime_error nccl(const std::string& kind, const std::string& last) {
  return std::runtime_error(str("NCCL error in: NCCLUtils.cpp:94, ", kind,
                                " (run with NCCL_DEBUG=INFO for details), NCCL version 2.28.9\n",
                                "ncclSystemError: System call or external library call failed.\n",
                                "Last error:\n", last));
}

TEST(Failure, NcclsOwnLastErrorIsKept) {
  EXPECT_EQ(reason_of(nccl("unhandled system error", "Error: network not found.\nmore")),
            "NCCL error in: NCCLUtils.cpp:94, unhandled system error (run with NCCL_DEBUG=INFO for "
            "details), NCCL version 2.28.9; NCCL's last error: Error: network not found.");
  EXPECT_EQ(reason_of(std::runtime_error("one\ntwo")), "one");
  EXPECT_EQ(reason_of(std::runtime_error("one\nLast error:\n")), "one");
}

TEST(Failure, OnlyABrokenConnectionBlamesAnotherRank) {
  EXPECT_EQ(fault_of(nccl("unhandled cuda error", "Cuda failure 'out of memory'")), CommFault::own);
  EXPECT_EQ(fault_of(nccl("invalid usage", "Duplicate GPU detected")), CommFault::own);
  EXPECT_EQ(fault_of(nccl("unhandled system error", "Connection refused")), CommFault::peer);
  EXPECT_EQ(fault_of(std::runtime_error("[gloo/pair.cc:534] Connection closed by peer")),
            CommFault::peer);
  EXPECT_EQ(fault_of(std::runtime_error("[gloo/buffer.cc] Timed out waiting 1000ms for recv")),
            CommFault::late);
  EXPECT_EQ(fault_of(std::runtime_error("the disk is full")), CommFault::none);
  EXPECT_EQ(fault_of(c10::OutOfMemoryError({__func__, __FILE__, __LINE__}, "CUDA out of memory")),
            CommFault::none);
}

}  // namespace
}  // namespace pixelclip
