#include "telemetry/recorder/schedule.hpp"

#include <algorithm>

namespace kvtier {
namespace {

constexpr std::int64_t kMaxStretch = 8;
constexpr MonoNs kDay = 86'400'000'000'000;

}  // namespace

Schedule::Schedule(std::vector<std::chrono::milliseconds> cadences, MonoNs start) : start_(start) {
  for (const auto cadence : cadences)
    entries_.push_back({.cadence = std::chrono::nanoseconds(cadence).count(), .due = start});
}

MonoNs Schedule::NextDue() const {
  MonoNs next = start_ + kDay;
  for (const Entry& e : entries_) {
    if (e.cadence > 0) next = std::min(next, e.due);
  }
  return next;
}

int Schedule::Begin(MonoNs now) {
  Entry* first = nullptr;
  for (Entry& e : entries_) {
    if (e.cadence > 0 && e.due <= now && (first == nullptr || e.due < first->due)) first = &e;
  }
  if (first == nullptr) return -1;
  const std::int64_t step = first->cadence * first->stretch;
  const std::int64_t delay = now - first->due;
  const std::int64_t missed = delay / step;
  tally_.due += static_cast<std::uint64_t>(missed + 1);
  tally_.missed += static_cast<std::uint64_t>(missed);
  tally_.worst_delay = std::max(tally_.worst_delay, std::chrono::nanoseconds(delay));
  first->due += (missed + 1) * step;
  return static_cast<int>(first - entries_.data());
}

void Schedule::Stretch(int place) {
  Entry& e = entries_.at(static_cast<std::size_t>(place));
  e.stretch = std::min(e.stretch * 2, kMaxStretch);
}

void Schedule::Well(int place) {
  entries_.at(static_cast<std::size_t>(place)).stretch = 1;
}

Schedule::Tally Schedule::Take() {
  const Tally taken = tally_;
  tally_ = {};
  return taken;
}

}  // namespace kvtier
