#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace kvtier {

/// CLOCK_MONOTONIC nanoseconds since boot: the only clock that durations are computed from.
using MonoNs = std::int64_t;
MonoNs NowMono();

inline double ToMs(std::chrono::nanoseconds d) {
  return static_cast<double>(d.count()) / 1e6;
}
inline double NsToMs(MonoNs d) {
  return static_cast<double>(d) / 1e6;
}

/// One simultaneous reading of both clocks; maps monotonic stamps to wall time for people and
/// external logs.
struct ClockAnchor {
  MonoNs mono = 0;
  std::chrono::system_clock::time_point wall{};
  static ClockAnchor Now();
  std::chrono::system_clock::time_point ToWall(MonoNs t) const;
};

/// ISO-8601 UTC with milliseconds: 2026-11-22T01:45:10.159+00:00
std::string UtcMillis(std::chrono::system_clock::time_point t);
std::string UtcMillisNow();
/// 20261122T014510Z, the <ts> of run names.
std::string UtcCompactNow();

}  // namespace kvtier
