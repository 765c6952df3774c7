#include "harness/judge/littles_law.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace kvtier {
namespace {

struct UnderWay {
  MonoNs from = 0, to = 0;
};

double Seconds(MonoNs ns) {
  return static_cast<double>(ns) / 1e9;
}

/// Does `seen` differ from `said` by more than the share, and by more than the time, that `over_s`
/// seconds and `slots` allow? Both are numbers of requests in flight.
bool Apart(double seen, double said, double over_s, int slots) {
  const double off = std::abs(seen - said);
  return off > kLittlesLawTolerance * said && off * over_s > kLittlesLawFloorSeconds * slots;
}

/// `sent`: by begin. The window in which a request waits for every slot that becomes free.
void MeasureSteadyWindow(const std::vector<UnderWay>& sent, PhaseFlow& flow) {
  if (sent.size() <= static_cast<std::size_t>(flow.slots)) return;
  const MonoNs from = sent[static_cast<std::size_t>(flow.slots) - 1].from;
  const MonoNs to = sent.back().from;
  if (to <= from) return;
  double in_flight_s = 0;
  for (const UnderWay& r : sent)
    in_flight_s += Seconds(std::max<MonoNs>(0, std::min(r.to, to) - std::max(r.from, from)));
  flow.steady_s = Seconds(to - from);
  flow.steady_in_flight = in_flight_s / flow.steady_s;
}

std::string PausesText(const PhaseFlow& f) {
  return fmt::format(
      "{:.2f} requests were in flight on the average of {:.2f} s in which {} slots had requests "
      "waiting; allowed are {:g} %",
      f.steady_in_flight, f.steady_s, f.slots, 100 * kLittlesLawTolerance);
}

std::string ClockText(const PhaseFlow& f) {
  return fmt::format(
      "by its clock the phase took {:.2f} s: {:.2f} requests/s x {:.1f} ms = {:.2f} in flight; by "
      "its rows, which span {:.2f} s, it was {:.2f}; allowed are {:g} %",
      f.duration_s, f.Throughput(), 1000 * f.mean_latency_s, f.ByLaw(), f.span_s, f.ByRows(),
      100 * kLittlesLawTolerance);
}

}  // namespace

Reading<PhaseFlow> MeasureFlow(const LegEvidence& leg, const PhaseEvidence& phase) {
  using R = Reading<PhaseFlow>;
  std::vector<UnderWay> sent;
  bool closed_loop = true;
  for (const RequestRecord& r : leg.records) {
    if (r.phase != phase.name) continue;
    const auto& to = r.stamps.closed ? r.stamps.closed : r.stamps.done;
    if (!r.stamps.sent_first || !to || *to < *r.stamps.sent_first)
      return R::Unavailable(r.planned.prompt_id + " has no begin or no end");
    sent.push_back({*r.stamps.sent_first, *to});
    closed_loop = closed_loop && !r.planned.arrival_offset_ns && !r.planned.after;
  }
  if (sent.empty() || static_cast<int>(sent.size()) < phase.planned_requests)
    return R::Unavailable(
        fmt::format("{} of {} requests have a row", sent.size(), phase.planned_requests));
  std::sort(sent.begin(), sent.end(),
            [](const UnderWay& a, const UnderWay& b) { return a.from < b.from; });
  PhaseFlow flow;
  flow.requests = sent.size();
  flow.duration_s = phase.duration_s;
  MonoNs last = 0;
  for (const UnderWay& r : sent) {
    last = std::max(last, r.to);
    flow.mean_latency_s += Seconds(r.to - r.from) / static_cast<double>(sent.size());
  }
  flow.span_s = Seconds(last - sent.front().from);
  if (flow.duration_s <= 0 || flow.span_s <= 0)
    return R::Unavailable("the phase, or its rows, took no time");
  if (closed_loop) {
    flow.slots = std::clamp(phase.concurrency, 1, static_cast<int>(sent.size()));
    MeasureSteadyWindow(sent, flow);
  }
  return flow;
}

Findings CheckLittlesLaw(const LegEvidence& leg) {
  if (leg.backend == "predecessor") return {};
  Findings out;
  for (const PhaseEvidence& phase : leg.phases) {
    const Reading<PhaseFlow> flow = MeasureFlow(leg, phase);
    if (!flow.available()) continue;
    std::string why;
    if (flow->steady_s > 0 &&
        Apart(flow->steady_in_flight, flow->slots, flow->steady_s, flow->slots))
      why = PausesText(*flow);
    // The same mean latency stands on both sides, so this holds the clock of the phase against the
    // rows.
    const int most = std::max(1, static_cast<int>(std::ceil(flow->ByRows())));
    if (Apart(flow->ByLaw(), flow->ByRows(), flow->duration_s, most))
      why += (why.empty() ? "" : "; ") + ClockText(*flow);
    if (!why.empty())
      out.push_back(MakeFinding(Reason::kLittlesLawBroken, leg.run_id, phase.name, std::move(why)));
  }
  return out;
}

}  // namespace kvtier
