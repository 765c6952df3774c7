#include "workloads/arrivals.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "harness/core/error.hpp"
#include "harness/core/rng.hpp"

namespace kvtier {
namespace {

constexpr std::array<std::pair<ArrivalProcess, std::string_view>, 5> kArrivalNames{{
    {ArrivalProcess::kClosed, "closed"},
    {ArrivalProcess::kConstant, "constant"},
    {ArrivalProcess::kPoisson, "poisson"},
    {ArrivalProcess::kGamma, "gamma"},
    {ArrivalProcess::kRamp, "ramp"},
}};

constexpr double kLn2 = 0x1.62e42fefa39efp-1;
constexpr double kRootOfHalf = 0x1.6a09e667f3bcdp-1;

/// Natural logarithm of x > 0 by the series of atanh; within a few units of the last place. The C
/// library's differs between libraries and processors.
double PortableLog(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // exact, in [0.5, 1)
  if (m < kRootOfHalf) {
    m *= 2;
    --exponent;
  }
  const double f = (m - 1) / (m + 1);  // at most 0.172
  const double square = f * f;
  double sum = 0;
  for (int k = 23; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
  return exponent * kLn2 + 2 * f * sum;
}

/// e^x for x <= 0 by Taylor's series after taking out powers of two.
double PortableExp(double x) {
  if (x < -700) return 0;
  const double k = std::floor(x / kLn2 + 0.5);
  const double r = x - k * kLn2;  // at most 0.347
  double sum = 1;
  for (int i = 16; i >= 1; --i) sum = 1 + sum * r / i;
  return std::ldexp(sum, static_cast<int>(k));
}

/// In (0, 1]: its logarithm exists.
double UniformAboveZero(Rng& rng) {
  return 1.0 - rng.Uniform();
}

double ExponentialDraw(Rng& rng) {
  return -PortableLog(UniformAboveZero(rng));
}

/// As Rng::Normal, with our own logarithm.
double PortableNormal(Rng& rng) {
  for (;;) {
    const double u = 2.0 * rng.Uniform() - 1.0;
    const double v = 2.0 * rng.Uniform() - 1.0;
    const double s = u * u + v * v;
    if (s > 0.0 && s < 1.0) return u * std::sqrt(-2.0 * PortableLog(s) / s);
  }
}

/// Gamma of this shape and scale 1 (Marsaglia and Tsang 2000, with their step for shapes below 1).
double GammaDraw(Rng& rng, double shape) {
  const double up = shape < 1 ? shape + 1 : shape;
  const double d = up - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  double value = 0;
  for (;;) {
    const double x = PortableNormal(rng);
    const double root = 1.0 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (PortableLog(UniformAboveZero(rng)) < 0.5 * x * x + d - d * v + d * PortableLog(v)) {
      value = d * v;
      break;
    }
  }
  if (shape < 1) value *= PortableExp(PortableLog(UniformAboveZero(rng)) / shape);
  return value;
}

/// Seconds from one arrival to the next.
double ArrivalGap(const ArrivalSpec& spec, Rng& rng) {
  if (spec.process == ArrivalProcess::kPoisson) return ExponentialDraw(rng) / spec.rate_rps;
  const double square = spec.cv * spec.cv;
  return GammaDraw(rng, 1.0 / square) * square / spec.rate_rps;
}

/// Seconds at which a rate that goes from a to b, linearly in time, over `n` arrivals has brought
/// k: the root of (b^2 - a^2) t^2 / (4 n) + a t = k.
double RampMoment(double a, double b, double n, double k) {
  return 2.0 * k / (a + std::sqrt(a * a + (b * b - a * a) * k / n));
}

std::int64_t ToArrivalOffset(double seconds) {
  constexpr double kLimitS = 200.0 * 365 * 86400;
  if (!(seconds < kLimitS))
    throw ConfigError("the arrivals of a phase take more than 200 years: raise arrival.rate_rps");
  return std::llround(seconds * 1e9);
}

void CheckArrivalField(const char* field, double value, double low, double high) {
  if (value >= low && value <= high) return;
  throw ConfigError(
      fmt::format("arrival.{}: {} is not from {:g} to {:g}", field, value, low, high));
}

}  // namespace

std::string_view ArrivalName(ArrivalProcess process) {
  for (const auto& [known, name] : kArrivalNames) {
    if (known == process) return name;
  }
  return "closed";
}

std::optional<ArrivalProcess> FindArrival(std::string_view name) {
  for (const auto& [process, known] : kArrivalNames) {
    if (known == name) return process;
  }
  return std::nullopt;
}

void CheckArrivals(const ArrivalSpec& spec) {
  CheckArrivalField("rate_rps", spec.rate_rps, 0.001, 1e6);
  CheckArrivalField("cv", spec.cv, 0.01, 10);
  CheckArrivalField("ramp_to_rps", spec.ramp_to_rps, 0.001, 1e6);
  CheckArrivalField("think_time_s", spec.think_time_s, 0, 86400);
  CheckArrivalField("max_in_flight", spec.max_in_flight, 1, 65536);
}

std::vector<std::int64_t> ArrivalOffsets(const ArrivalSpec& spec, std::size_t n) {
  CheckArrivals(spec);
  if (spec.process == ArrivalProcess::kClosed)
    throw ConfigError("a closed loop has no arrival offsets");
  std::vector<std::int64_t> offsets;
  offsets.reserve(n);
  Rng rng = Rng::Stream(spec.seed, "arrivals");
  double at = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double k = static_cast<double>(i);
    if (spec.process == ArrivalProcess::kConstant) {
      at = k / spec.rate_rps;
    } else if (spec.process == ArrivalProcess::kRamp) {
      at = RampMoment(spec.rate_rps, spec.ramp_to_rps, static_cast<double>(n), k);
    } else if (i > 0) {
      at += ArrivalGap(spec, rng);
    }
    offsets.push_back(ToArrivalOffset(at));
  }
  return offsets;
}

void ApplyArrivals(PhasePlan& phase, const ArrivalSpec& spec) {
  CheckArrivals(spec);
  const auto think_ns = static_cast<std::int64_t>(spec.think_time_s * 1e9);
  const auto follows = [](const PlannedRequest& r) { return r.after.has_value(); };
  const auto followers = std::count_if(phase.requests.begin(), phase.requests.end(), follows);
  if (spec.process == ArrivalProcess::kClosed) {
    const auto users = static_cast<std::size_t>(std::max(1, phase.concurrency));
    for (std::size_t i = users; think_ns > 0 && followers == 0 && i < phase.requests.size(); ++i)
      phase.requests[i].after = static_cast<int>(i - users);
  } else {
    const auto own = phase.requests.size() - static_cast<std::size_t>(followers);
    const auto offsets = ArrivalOffsets(spec, own);
    std::size_t next = 0;
    for (auto& request : phase.requests) {
      if (!follows(request)) request.arrival_offset_ns = offsets[next++];
    }
    phase.concurrency = spec.max_in_flight;
  }
  if (think_ns == 0) return;
  for (auto& request : phase.requests) {
    if (follows(request)) request.think_time_ns = think_ns;
  }
}

std::vector<PhasePlan*> MeasuredPhases(Plan& plan) {
  const auto replays = [](const PhasePlan& phase) { return phase.name.starts_with("replay"); };
  const bool any = std::any_of(plan.phases.begin(), plan.phases.end(), replays);
  std::vector<PhasePlan*> measured;
  for (PhasePlan& phase : plan.phases) {
    if (any ? replays(phase) : phase.include_in_overall) measured.push_back(&phase);
  }
  return measured;
}

void ApplyArrivals(Plan& plan, const ArrivalSpec& spec) {
  for (PhasePlan* phase : MeasuredPhases(plan)) {
    ArrivalSpec own = spec;
    own.seed = Rng::Stream(spec.seed, phase->name).Next();
    ApplyArrivals(*phase, own);
  }
}

}  // namespace kvtier
