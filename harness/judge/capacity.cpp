#include "harness/judge/capacity.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/stats/quantile.hpp"

namespace kvtier {
namespace {

struct Bracket {
  std::optional<int> held, failed;  // largest below every failure; smallest failure
  bool blind = false;               // some point cannot say
};

Bracket BracketOf(std::span<const CapacityPoint> points, const CapacityQuestion& question) {
  Bracket b;
  for (const CapacityPoint& p : points) {
    const auto keeps = KeepsPromise(p, question);
    if (!keeps)
      b.blind = true;
    else if (!*keeps && (!b.failed || p.load < *b.failed))
      b.failed = p.load;
  }
  for (const CapacityPoint& p : points) {
    const auto keeps = KeepsPromise(p, question);
    const bool below = !b.failed || p.load < *b.failed;
    if (keeps && *keeps && below && (!b.held || p.load > *b.held)) b.held = p.load;
  }
  return b;
}

std::string WhyBlind(std::span<const CapacityPoint> points, const CapacityQuestion& question) {
  for (const CapacityPoint& p : points) {
    if (KeepsPromise(p, question)) continue;
    if (!p.invalid_why.empty())
      return fmt::format("at {} the leg says nothing: {}", p.load, p.invalid_why);
    return fmt::format(
        "at {} {} requests are too few for {:g} %, which needs {}: lengthen the scenario", p.load,
        p.goodput.attempted, 100 * question.min_attainment,
        MinSamplesForQuantile(question.min_attainment));
  }
  return "";
}

}  // namespace

std::optional<bool> KeepsPromise(const CapacityPoint& point, const CapacityQuestion& question) {
  if (!point.invalid_why.empty()) return std::nullopt;
  if (point.goodput.attempted < MinSamplesForQuantile(question.min_attainment)) return std::nullopt;
  return point.goodput.Attainment().value_or(0) >= question.min_attainment;
}

std::optional<int> NextLoad(std::span<const CapacityPoint> points,
                            const CapacityQuestion& question) {
  if (points.size() >= static_cast<std::size_t>(std::max(0, question.max_points)))
    return std::nullopt;
  const Bracket b = BracketOf(points, question);
  if (b.blind) return std::nullopt;
  if (!b.held && !b.failed) return question.low;
  if (!b.failed) {
    if (*b.held >= question.high) return std::nullopt;
    return *b.held > question.high / 2 ? question.high : 2 * *b.held;
  }
  const int below = b.held.value_or(question.low - 1);
  if (*b.failed - below <= 1) return std::nullopt;
  return below + (*b.failed - below) / 2;
}

CapacityVerdict JudgeCapacity(std::span<const CapacityPoint> points,
                              const CapacityQuestion& question, const std::string& unit) {
  const Bracket b = BracketOf(points, question);
  CapacityVerdict v;
  if (b.blind) {
    v.sentence = "no capacity: ";
    if (b.held) v.sentence += fmt::format("{} {} hold, but ", *b.held, unit);
    v.sentence += WhyBlind(points, question);
    return v;
  }
  v.capacity = b.held;
  v.failed_at = b.failed;
  const std::string promise = fmt::format("{:g} % of the requests", 100 * question.min_attainment);
  if (!b.held && !b.failed) {
    v.sentence = "no capacity: nothing was measured";
  } else if (!b.held) {
    v.decided = *b.failed == question.low;
    v.sentence = fmt::format("no capacity: at {} {} fewer than {} are within the limits", *b.failed,
                             unit, promise);
  } else if (!b.failed) {
    v.decided = *b.held >= question.high;
    v.sentence = fmt::format("at least {} {}: {} within the limits, and nothing above was {}",
                             *b.held, unit, promise, v.decided ? "asked" : "measured");
  } else {
    v.decided = *b.failed - *b.held == 1;
    v.sentence = fmt::format("{} {}: {} within the limits, and not at {}{}", *b.held, unit, promise,
                             *b.failed, v.decided ? "" : "; between them nothing was measured");
  }
  return v;
}

}  // namespace kvtier
