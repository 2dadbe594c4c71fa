#include "solver/optimizer.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <map>

#include "base/error.hpp"

namespace pixelclip {
using torch::Tensor;
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;

bool is_norm(const torch::nn::Module& module) {
  return dynamic_cast<const torch::nn::LayerNormImpl*>(&module) ||
         dynamic_cast<const torch::nn::GroupNormImpl*>(&module);
}

}  // namespace

std::vector<ParameterGroup> parameter_groups(const torch::nn::Module& model,
                                             const SolverConfig& solver) {
  std::vector<ParameterGroup> groups;
  const auto add = [&](const std::string& prefix, const torch::nn::Module& module) {
    for (const auto& item : module.named_parameters(/*recurse=*/false)) {
      if (!item.value().requires_grad()) continue;
      ParameterGroup group{prefix.empty() ? item.key() : prefix + "." + item.key(), item.value(),
                           solver.base_lr, solver.weight_decay};
      const auto holds = [&](const char* word) {
        return group.name.find(word) != std::string::npos;
      };
      if (holds("backbone")) group.learning_rate *= solver.backbone_multiplier;
      if (holds("clip_model")) group.learning_rate *= solver.clip_multiplier;
      if (holds("prompt_tokens")) group.learning_rate *= solver.prompt_multiplier;
      if (is_norm(module)) group.weight_decay = solver.weight_decay_norm;
      if (dynamic_cast<const torch::nn::EmbeddingImpl*>(&module)) {
        group.weight_decay = solver.weight_decay_embed;
      }
      groups.push_back(std::move(group));
    }
  };
  add("", model);
  for (const auto& item : model.named_modules("", /*include_self=*/false))
    add(item.key(), *item.value());
  return groups;
}

double common_rate(const std::vector<ParameterGroup>& groups) {
  double rate = 0;
  std::ptrdiff_t most = 0;
  for (const auto& group : groups) {
    const auto same = std::count_if(groups.begin(), groups.end(), [&](const auto& other) {
      return other.learning_rate == group.learning_rate;
    });
    if (same > most) most = same, rate = group.learning_rate;
  }
  return rate;
}

std::string describe(const std::vector<ParameterGroup>& groups) {
  std::map<std::tuple<std::string, double, double>, std::pair<int64_t, int64_t>> rows;
  for (const auto& group : groups) {
    const auto part = group.name.find("clip_model.") != std::string::npos     ? "image encoder"
                      : group.name.find("prompt_tokens") != std::string::npos ? "prompts"
                                                                              : "decoder";
    auto& [tensors, numbers] = rows[{part, group.learning_rate, group.weight_decay}];
    ++tensors;
    numbers += group.parameter.numel();
  }
  const auto cell = [](int width) { return std::setw(width); };
  std::ostringstream out;
  out << "trained parameters:\n  " << std::left << cell(15) << "part" << std::right << cell(7)
      << "tensors" << cell(14) << "parameters" << cell(16) << "learning rate" << cell(14)
      << "weight decay";
  for (const auto& [key, counts] : rows) {
    const auto& [part, rate, decay] = key;
    out << "\n  " << std::left << cell(15) << part << std::right << cell(7) << counts.first
        << cell(14) << counts.second << cell(16) << rate << cell(14) << decay;
  }
  return out.str();
}

Optimizer::Optimizer(std::vector<ParameterGroup> groups, const SolverConfig& solver)
    : solver_(solver),
      groups_(std::move(groups)),
      adamw_(solver.optimizer == OptimizerType::adamw) {
  for (const auto& group : groups_) {
    first_.push_back(torch::zeros_like(group.parameter));
    if (!adamw_) continue;
    second_.push_back(torch::zeros_like(group.parameter));
    steps_.push_back(torch::zeros({}, group.parameter.options().dtype(torch::kFloat)));
  }
}

void Optimizer::zero_grad() {
  for (auto& group : groups_) group.parameter.mutable_grad().reset();
}

std::vector<Tensor> Optimizer::gradients() const {
  std::vector<Tensor> gradients;
  for (const auto& group : groups_) {
    if (group.parameter.grad().defined()) gradients.push_back(group.parameter.grad());
  }
  return gradients;
}

Tensor Optimizer::gradient_norm() const {
  const auto all = gradients();
  if (all.empty()) return torch::zeros({});
  return torch::stack(at::_foreach_norm(all, 2.0)).norm();
}

std::vector<Tensor> Optimizer::state_tensors() const {
  auto all = first_;
  all.insert(all.end(), second_.begin(), second_.end());
  all.insert(all.end(), steps_.begin(), steps_.end());
  return all;
}

void Optimizer::clip_gradients(const std::vector<Tensor>& gradients) const {
  const auto& clip = solver_.clip_gradients;
  if (!clip.enabled || gradients.empty()) return;
  if (clip.clip_type == GradientClipping::value) {
    at::_foreach_clamp_min_(gradients, -clip.clip_value);
    at::_foreach_clamp_max_(gradients, clip.clip_value);
    return;
  }
  // The public code ignores NORM_TYPE when it clips the full model.
  const double p = clip.clip_type == GradientClipping::full_model ? 2.0 : clip.norm_type;
  const auto norms = torch::stack(at::_foreach_norm(gradients, p));
  const auto limit = [&](const Tensor& norm) {
    return (clip.clip_value / (norm + 1e-6)).clamp_max(1.0);
  };
  if (clip.clip_type == GradientClipping::full_model) {
    at::_foreach_mul_(gradients, limit(norms.norm(p)));
  } else {
    at::_foreach_mul_(gradients, limit(norms).unbind());
  }
}

void Optimizer::step(double factor) {
  torch::NoGradGuard no_grad;
  struct Bucket {
    std::vector<Tensor> parameters, gradients, first, second, steps;
  };
  std::map<std::pair<double, double>, Bucket>
      buckets;  // one call for parameters of the same rate and decay
  for (size_t i = 0; i < groups_.size(); ++i) {
    const auto& group = groups_[i];
    if (!group.parameter.grad().defined()) continue;
    auto& bucket = buckets[{group.learning_rate, group.weight_decay}];
    bucket.parameters.push_back(group.parameter);
    bucket.gradients.push_back(group.parameter.grad());
    bucket.first.push_back(first_[i]);
    if (!adamw_) continue;
    bucket.second.push_back(second_[i]);
    bucket.steps.push_back(steps_[i]);
  }
  clip_gradients(gradients());
  for (auto& [key, bucket] : buckets) {
    const double rate = key.first * factor;
    if (adamw_) {
      at::_foreach_add_(bucket.steps, 1);
      at::_fused_adamw_(bucket.parameters, bucket.gradients, bucket.first, bucket.second, {},
                        bucket.steps, rate, kBeta1, kBeta2, key.second, kEpsilon, /*amsgrad=*/false,
                        /*maximize=*/false);
    } else {
      // With zero momentum buffers and no dampening the first step needs no special case; without
      // momentum the kernel expects no buffers.
      const auto momenta = solver_.momentum > 0 ? bucket.first : std::vector<Tensor>();
      at::_fused_sgd_(
          bucket.parameters, bucket.gradients, momenta, key.second, solver_.momentum, rate,
          /*dampening=*/0.0, solver_.nesterov, /*maximize=*/false, /*is_first_step=*/false);
    }
  }
}

Value Optimizer::state(double factor) const {
  Dict state, result;
  ValueList groups;
  for (size_t i = 0; i < groups_.size(); ++i) {
    Dict entry;
    if (adamw_) {
      entry.set("step", steps_[i].cpu());
      entry.set("exp_avg", first_[i]);
      entry.set("exp_avg_sq", second_[i]);
    } else if (solver_.momentum != 0) {
      entry.set("momentum_buffer", first_[i]);
    }
    if (entry.size() > 0) state.items.emplace_back(static_cast<int64_t>(i), std::move(entry));

    Dict group;  // every setting: PyTorch replaces its group by this one
    group.set("lr", groups_[i].learning_rate * factor);
    if (adamw_) {
      group.set("betas", Tuple{{kBeta1, kBeta2}});
      group.set("eps", kEpsilon);
      group.set("weight_decay", groups_[i].weight_decay);
      group.set("amsgrad", false);
    } else {
      group.set("momentum", solver_.momentum);
      group.set("dampening", 0);
      group.set("weight_decay", groups_[i].weight_decay);
      group.set("nesterov", solver_.nesterov);
    }
    group.set("maximize", false);
    group.set("foreach", Value());
    if (adamw_) group.set("capturable", false);
    group.set("differentiable", false);
    group.set("fused", Value());
    if (adamw_) group.set("decoupled_weight_decay", true);
    group.set("initial_lr", groups_[i].learning_rate);
    group.set("params", ValueList{static_cast<int64_t>(i)});
    groups.emplace_back(std::move(group));
  }
  result.set("state", std::move(state));
  result.set("param_groups", std::move(groups));
  return result;
}

bool Optimizer::load_state(const Value& value, std::string* why) {
  const auto refuse = [&](const std::string& reason) {
    if (why) *why = reason;
    return false;
  };
  const auto* dict = value.get_if<Dict>();
  const auto* groups = dict ? dict->find("param_groups") : nullptr;
  const auto* state = dict && dict->find("state") ? dict->find("state")->get_if<Dict>() : nullptr;
  if (!groups || !state) return refuse("it is not the state of an optimiser");
  // Groups may hold one parameter each, or many; only their order counts.
  std::vector<int64_t> ids;
  for (const auto& group : groups->as_list("param_groups")) {
    for (const auto& id : group.as_dict("a parameter group").at("params").as_list("params")) {
      ids.push_back(id.as_int("a parameter's number"));
    }
  }
  if (ids.size() != groups_.size()) {
    return refuse(
        pixelclip::str("it is for ", ids.size(), " parameters, ", groups_.size(), " train here"));
  }
  const char* first_name = adamw_ ? "exp_avg" : "momentum_buffer";
  std::vector<const Dict*> entries;
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto* entry = state->find(ids[i]);
    entries.push_back(entry ? entry->get_if<Dict>() : nullptr);
    if (!entries[i]) continue;  // a parameter that had no gradient yet
    const auto* momentum = adamw_ ? nullptr : entries[i]->find(first_name);
    if (!adamw_ && (!momentum || momentum->is_none())) {  // PyTorch's SGD before its first step
      entries[i] = nullptr;
      continue;
    }
    for (const char* name : {first_name, adamw_ ? "exp_avg_sq" : first_name}) {
      const auto* found = entries[i]->find(name);
      const auto* tensor = found ? found->get_if<Tensor>() : nullptr;
      if (!tensor || tensor->sizes() != groups_[i].parameter.sizes()) {
        return refuse(
            pixelclip::str("its ", name, " of parameter ", i, " does not fit ", groups_[i].name));
      }
    }
  }
  torch::NoGradGuard no_grad;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!entries[i]) continue;
    first_[i].copy_(entries[i]->at(first_name).as_tensor());
    if (!adamw_) continue;
    second_[i].copy_(entries[i]->at("exp_avg_sq").as_tensor());
    const auto* step = entries[i]->find("step");
    if (step && step->is<Tensor>()) steps_[i].copy_(step->as_tensor());
    if (step && !step->is<Tensor>()) steps_[i].fill_(step->as_double("step"));
  }
  return true;
}

std::string Optimizer::changed_rate(const Value& value) const {
  const auto& groups =
      value.as_dict("the optimiser's state").at("param_groups").as_list("param_groups");
  size_t i = 0;  // the parameter that comes next; a group may hold many
  for (const auto& entry : groups) {
    const auto& group = entry.as_dict("a parameter group");
    const auto* saved = group.find("initial_lr");
    for (size_t k = group.at("params").as_list("params").size(); k > 0 && i < groups_.size();
         --k, ++i) {
      const double then = saved ? saved->as_double("initial_lr") : groups_[i].learning_rate,
                   now = groups_[i].learning_rate;
      if (std::abs(then - now) <= 1e-9 * std::max(std::abs(then), std::abs(now))) continue;
      return pixelclip::str(groups_[i].name, ": ", then, " then, ", now, " now");
    }
  }
  return "";
}

}  // namespace pixelclip
