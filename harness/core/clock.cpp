#include "harness/core/clock.hpp"

#include <time.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace kvtier {

using std::chrono::system_clock;

MonoNs NowMono() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<MonoNs>(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec;
}

ClockAnchor ClockAnchor::Now() {
  return {NowMono(), system_clock::now()};
}

system_clock::time_point ClockAnchor::ToWall(MonoNs t) const {
  return wall +
         std::chrono::duration_cast<system_clock::duration>(std::chrono::nanoseconds(t - mono));
}

std::string UtcMillis(system_clock::time_point t) {
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03d}+00:00", fmt::gmtime(seconds), ms % 1000);
}

std::string UtcMillisNow() {
  return UtcMillis(system_clock::now());
}

std::string UtcCompactNow() {
  return fmt::format("{:%Y%m%dT%H%M%SZ}",
                     fmt::gmtime(system_clock::to_time_t(system_clock::now())));
}

}  // namespace kvtier
