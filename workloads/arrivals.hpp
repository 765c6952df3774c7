#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "harness/load/plan.hpp"

namespace kvtier {

/// When requests are due. All but kClosed are open loops: they come at their own times, however
/// slowly they are answered, which is the load that real users make.
enum class ArrivalProcess { kClosed, kConstant, kPoisson, kGamma, kRamp };

/// "closed", "constant", "poisson", "gamma", "ramp".
std::string_view ArrivalName(ArrivalProcess process);
std::optional<ArrivalProcess> FindArrival(std::string_view name);

struct ArrivalSpec {
  ArrivalProcess process = ArrivalProcess::kClosed;
  double rate_rps = 1;     // mean arrivals a second, 0.001 to 1e6; of a ramp, where it begins
  double cv = 1;           // gamma: standard deviation over mean of the gaps, 0.01 to 10
  double ramp_to_rps = 1;  // ramp: where it ends
  /// Between the end of an answer and the next request of the same session or user.
  double think_time_s = 0;
  int max_in_flight = 256;  // of an open loop, 1 to 65536: more are due, but wait for a slot
  std::uint64_t seed = 0;

  bool operator==(const ArrivalSpec&) const = default;
};

/// Throws ConfigError naming the field and its range.
void CheckArrivals(const ArrivalSpec& spec);

/// Offsets of `n` arrivals in ns from the first, which is at 0; ascending. Gaps of kConstant are
/// 1/rate, of kPoisson exponential, of kGamma gamma distributed with shape 1/cv^2 (Marsaglia and
/// Tsang 2000): bursts where cv is above 1. kRamp has no chance in it: the rate grows (or falls)
/// linearly in time, and the k-th arrival is where its integral reaches k.
///
/// Equal everywhere, to the nanosecond: only additions, products, quotients and square roots of
/// IEEE doubles, the project's generator, and logarithm and exponential made of these; nothing of
/// the C library and no std:: distribution. Throws ConfigError for a bad spec, kClosed, or
/// offsets beyond 200 years.
std::vector<std::int64_t> ArrivalOffsets(const ArrivalSpec& spec, std::size_t n);

/// Gives the requests of a phase their times. An open loop: those that follow no other get the
/// offsets, and the phase max_in_flight slots. A think time goes to those that follow another;
/// where nobody does, a closed loop becomes `concurrency` users, each of whom thinks between an
/// answer and the next request. Throws as ArrivalOffsets.
void ApplyArrivals(PhasePlan& phase, const ArrivalSpec& spec);

/// The phases whose load is the question: those called replay..., else all that count in the
/// overall figures.
std::vector<PhasePlan*> MeasuredPhases(Plan& plan);

/// To the measured phases of a plan, each from a stream of its own.
void ApplyArrivals(Plan& plan, const ArrivalSpec& spec);

}  // namespace kvtier
