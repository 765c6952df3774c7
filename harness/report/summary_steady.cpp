#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "harness/core/clock.hpp"
#include "harness/report/deltas.hpp"
#include "harness/report/summary.hpp"
#include "harness/stats/summary.hpp"

// The steady part of a phase. At its start all slots begin at once and their first requests meet
// an idle server; at its end the slots run dry one by one.
namespace kvtier {
namespace {

using nlohmann::json;
using SteadyRows = std::span<const RequestRecord* const>;

struct SteadyWindow {
  MonoNs begin = 0, end = 0;
  MonoNs phase_begin = 0;
};

std::optional<MonoNs> EndedAt(const RequestRecord& r) {
  for (const auto& stamp : {r.stamps.closed, r.stamps.done, r.stamps.last_text}) {
    if (stamp) return stamp;
  }
  return std::nullopt;
}

/// The first moment with so many requests in flight; empty when there was none.
std::optional<MonoNs> ReachedInFlight(SteadyRows rows, int target) {
  std::vector<std::pair<MonoNs, int>> steps;
  for (const RequestRecord* r : rows) {
    const auto ended = EndedAt(*r);
    if (!r->stamps.sent_first || !ended) continue;
    steps.emplace_back(*r->stamps.sent_first, 1);
    steps.emplace_back(*ended, -1);
  }
  std::sort(steps.begin(), steps.end());  // of equal times the ends come first
  int in_flight = 0;
  for (const auto& [at, step] : steps) {
    in_flight += step;
    if (in_flight >= target) return at;
  }
  return std::nullopt;
}

/// The moment when each of so many slots had ended a request; empty when one never did.
std::optional<MonoNs> EverySlotEnded(SteadyRows rows, int slots) {
  std::map<int, MonoNs> first_end;
  for (const RequestRecord* r : rows) {
    const auto ended = EndedAt(*r);
    if (!ended) continue;
    const auto [slot, fresh] = first_end.try_emplace(r->worker_idx, *ended);
    if (!fresh) slot->second = std::min(slot->second, *ended);
  }
  if (first_end.size() < static_cast<std::size_t>(std::max(slots, 0)) || first_end.empty())
    return std::nullopt;
  MonoNs last = first_end.begin()->second;
  for (const auto& [slot, ended] : first_end) last = std::max(last, ended);
  return last;
}

/// Empty with the reason in `why`.
std::optional<SteadyWindow> FindWindow(SteadyRows rows, int concurrency, std::string& why) {
  SteadyWindow w;
  std::optional<MonoNs> first, last;
  for (const RequestRecord* r : rows) {
    if (!r->stamps.sent_first) continue;
    first = std::min(first.value_or(*r->stamps.sent_first), *r->stamps.sent_first);
    last = std::max(last.value_or(*r->stamps.sent_first), *r->stamps.sent_first);
  }
  if (!first) {
    why = "no request was sent";
    return std::nullopt;
  }
  const auto reached = ReachedInFlight(rows, concurrency);
  if (!reached) {
    why = fmt::format("there were never {} requests in flight", concurrency);
    return std::nullopt;
  }
  const auto turned = EverySlotEnded(rows, concurrency);
  if (!turned) {
    why = fmt::format("not every one of {} slots ended a request", concurrency);
    return std::nullopt;
  }
  w.phase_begin = *first;
  w.begin = std::max(*reached, *turned);
  w.end = *last;
  if (w.end <= w.begin) {
    why = "the last request was sent before every slot had ended its first one: too few requests";
    return std::nullopt;
  }
  return w;
}

struct WindowTokens {
  double input = 0, output = 0;
  std::size_t counted = 0;  // answered requests that told their tokens
  std::size_t untold = 0;   // answered ones that did not
  std::size_t spread = 0;   // of the counted: tokens of an event are not known, so all weigh alike
};

WindowTokens TokensIn(SteadyRows rows, const SteadyWindow& w) {
  const auto inside = [&w](MonoNs at) { return at >= w.begin && at < w.end; };
  WindowTokens tokens;
  for (const RequestRecord* r : rows) {
    if (r->outcome != Outcome::kOk) continue;
    double events = 0;
    for (const ChunkStamp& c : r->chunks) events += c.text_events;
    if (!r->usage || events == 0 || !r->stamps.first_text) {
      ++tokens.untold;
      continue;
    }
    ++tokens.counted;
    const double each = static_cast<double>(r->usage->completion_tokens) / events;
    if (each != 1) ++tokens.spread;
    for (const ChunkStamp& c : r->chunks) {
      if (inside(c.at)) tokens.output += each * c.text_events;
    }
    if (inside(*r->stamps.first_text)) tokens.input += static_cast<double>(r->usage->prompt_tokens);
  }
  return tokens;
}

json WindowLatency(SteadyRows rows, const SteadyWindow& w,
                   std::optional<double> (RequestRecord::*metric)() const) {
  std::vector<double> sample;
  for (const RequestRecord* r : rows) {
    if (!r->stamps.sent_first || *r->stamps.sent_first < w.begin || *r->stamps.sent_first >= w.end)
      continue;
    if (const auto value = (r->*metric)()) sample.push_back(*value);
  }
  const auto s = Summarize(std::move(sample));
  if (!s) return json::object();
  json j = *s;
  for (auto& [key, value] : j.items()) {
    if (key != "n") value = RoundTo(value.get<double>(), 3);
  }
  return j;
}

}  // namespace

json SteadyWindowJson(SteadyRows rows, int concurrency) {
  std::string why;
  const auto w = FindWindow(rows, concurrency, why);
  if (!w) return {{"unavailable", why}};
  const double duration_s = NsToMs(w->end - w->begin) / 1e3;
  const WindowTokens tokens = TokensIn(rows, *w);
  const auto began = std::count_if(rows.begin(), rows.end(), [&](const RequestRecord* r) {
    return r->stamps.sent_first && *r->stamps.sent_first >= w->begin &&
           *r->stamps.sent_first < w->end;
  });
  json j = {{"begin_s", RoundTo(NsToMs(w->begin - w->phase_begin) / 1e3, 3)},
            {"end_s", RoundTo(NsToMs(w->end - w->phase_begin) / 1e3, 3)},
            {"requests_begun", began},
            {"requests_with_tokens", tokens.counted},
            {"requests_without_tokens", tokens.untold},
            {"requests_with_spread_tokens", tokens.spread},
            {"ttfc_ms", WindowLatency(rows, *w, &RequestRecord::TtfcMs)},
            {"e2e_ms", WindowLatency(rows, *w, &RequestRecord::E2eMs)}};
  if (tokens.untold > 0 || tokens.counted == 0) {
    j["input_tokens_per_s"] = j["output_tokens_per_s"] = nullptr;
    j["tokens_unavailable"] =
        tokens.counted == 0
            ? std::string("no stream told its tokens in usage")
            : fmt::format("{} answered requests did not tell their tokens", tokens.untold);
  } else {
    j["input_tokens_per_s"] = RoundTo(tokens.input / duration_s, 3);
    j["output_tokens_per_s"] = RoundTo(tokens.output / duration_s, 3);
  }
  return j;
}

}  // namespace kvtier
