#pragma once

#include <utility>

namespace pixelclip {

/// Calls a function at the end of the scope, also when an exception leaves it. The function must
/// not throw.
template <class Function>
class [[nodiscard]] ScopeExit {
 public:
  explicit ScopeExit(Function function) : function_(std::move(function)) {}
  ~ScopeExit() { function_(); }
  ScopeExit(const ScopeExit&) = delete;
  ScopeExit& operator=(const ScopeExit&) = delete;

 private:
  Function function_;
};

}  // namespace pixelclip
