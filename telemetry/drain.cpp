#include "telemetry/drain.hpp"

#include <thread>

#include <fmt/format.h>

namespace kvtier {
namespace {

/// Empty when `a` can prove something; else what cannot be seen.
std::string Blind(const Activity& a) {
  if (a.engine)
    return a.engine->available() ? ""
                                 : "the engine's counters cannot be read: " + a.engine->reason();
  return a.worker_io.available() ? "" : "the worker's I/O cannot be read: " + a.worker_io.reason();
}

/// Empty when nothing moved between the two reads; else what did.
std::string Moving(const Activity& before, const Activity& now) {
  if (now.engine) {
    const OffloadActivity& to = now.engine->value();
    if (to.pending > 0) return fmt::format("{} transfers are pending", to.pending);
    const double moved = to.blocks - before.engine->value().blocks;
    if (moved != 0)
      return fmt::format("offload counters moved by {} between the last two reads", moved);
  }
  if (now.worker_io.available() && before.worker_io.available() &&
      now.worker_io != before.worker_io) {
    const auto from = before.worker_io.value().value;
    return fmt::format("the worker did {} of I/O between the last two reads",
                       FormatBytes(Bytes{now.worker_io.value().value - from}));
  }
  return {};
}

}  // namespace

DrainResult WaitUntilStill(const std::function<Activity()>& read, const DrainOptions& options,
                           const DrainClock& clock) {
  const auto sleep = clock.sleep ? clock.sleep : [](std::chrono::milliseconds d) {
    std::this_thread::sleep_for(d);
  };
  const MonoNs start = clock.now();
  const MonoNs limit = std::chrono::nanoseconds(options.limit).count();
  DrainResult result;
  std::optional<Activity> before;
  int blind = 0;
  while (true) {
    const Activity now = read();
    result.why = Blind(now);
    if (!result.why.empty()) {
      before.reset();
      if (++blind >= options.blind_reads) break;
    } else {
      blind = 0;
      result.why = before ? Moving(*before, now) : "only one reading was taken";
      if (result.why.empty()) {
        result.settled = true;
        break;
      }
      before = now;
    }
    if (clock.now() - start + std::chrono::nanoseconds(options.interval).count() > limit) break;
    sleep(options.interval);
  }
  result.waited_s = static_cast<double>(clock.now() - start) / 1e9;
  return result;
}

}  // namespace kvtier
