#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/core/tier.hpp"
#include "harness/judge/service_levels.hpp"

/// How much load a stack carries while it keeps its promises: a search in few points, each of which
/// is a measurement, and the verdict over them. Pure functions.
namespace kvtier {

struct CapacityQuestion {
  int low = 1, high = 64;        // load, in steps: requests in flight, or units of a rate
  int max_points = 12;           // measurements at most
  double min_attainment = 0.95;  // share of attempted requests that keep every limit
};

/// One load, measured.
struct CapacityPoint {
  int load = 0;
  Goodput goodput;
  double duration_s = 0;    // of the traffic that counts
  std::string invalid_why;  // the leg says nothing; empty: it does
  std::string run_id;       // its bundle
};

/// Does the point keep the promise? Empty where it cannot say: an invalid leg, or fewer requests
/// than a quantile at that level needs (59 for 95 %, 299 for 99 %).
std::optional<bool> KeepsPromise(const CapacityPoint& point, const CapacityQuestion& question);

/// The load to measure next: doubled from `low` until one fails or `high` holds, then halves of
/// what lies between the largest that held and the smallest that failed. Empty: the answer is
/// found, a point cannot say, or max_points are used up.
std::optional<int> NextLoad(std::span<const CapacityPoint> points,
                            const CapacityQuestion& question);

struct CapacityVerdict {
  /// Largest load that held below every one that failed; empty: none did, or nothing can be said.
  std::optional<int> capacity = std::nullopt;
  std::optional<int> failed_at = std::nullopt;  // smallest that failed
  bool decided = false;  // capacity and failed_at are neighbours, or an end of the range holds
  std::string sentence;  // for people
};
/// `unit` names the load: "requests in flight", "requests/s x 0.5".
CapacityVerdict JudgeCapacity(std::span<const CapacityPoint> points,
                              const CapacityQuestion& question, const std::string& unit);

/// capacity.json: what was asked, measured and concluded.
struct CapacityReport {
  std::string created_utc;
  std::string scenario;
  TierMode tier = TierMode::kB2;
  std::string unit;     // of a load
  double rate_rps = 0;  // arrivals a second of one step of load; 0: load is requests in flight
  ServiceLevels levels;
  CapacityQuestion question;
  std::vector<CapacityPoint> points;  // in the order of measuring
  CapacityVerdict verdict;
};
nlohmann::json ToJson(const CapacityReport& report);
/// Throws DataError naming the key.
CapacityReport CapacityReportFromJson(const nlohmann::json& j);

}  // namespace kvtier
