#include "harness/judge/service_levels.hpp"

#include <fmt/format.h>

namespace kvtier {
namespace {

std::optional<double> FirstTokenMs(const RequestRecord& r) {
  if (!r.planned.params.stream) return r.TtftMs();
  return r.stamps.scheduled ? r.TtfcCoMs() : r.TtfcMs();
}

/// Of a whole answer the end of its body: its text has no stamps.
std::optional<double> EndMs(const RequestRecord& r) {
  const auto streamed = r.stamps.scheduled ? r.E2eCoMs() : r.E2eMs();
  return streamed ? streamed : r.LatencyMs();
}

bool Within(const std::optional<double>& figure, double limit) {
  return figure && *figure <= limit;
}

bool IsOneToken(const RequestRecord& r) {
  return r.usage && r.usage->completion_tokens < 2;
}

}  // namespace

std::string ServiceLevels::Text() const {
  std::string text;
  for (const auto& [name, limit] :
       {std::pair{"TTFT", ttft_ms}, std::pair{"TPOT", tpot_ms}, std::pair{"E2E", e2e_ms}}) {
    if (limit) text += fmt::format("{}{} <= {:g} ms", text.empty() ? "" : ", ", name, *limit);
  }
  return text.empty() ? "none" : text;
}

std::optional<ServiceLevels> FindServiceLevels(std::string_view preset) {
  for (const auto& p : kServiceLevelPresets) {
    if (p.name == preset) return ServiceLevels{.ttft_ms = p.ttft_ms, .tpot_ms = p.tpot_ms};
  }
  return std::nullopt;
}

std::optional<double> Goodput::Attainment() const {
  if (attempted == 0) return std::nullopt;
  return static_cast<double>(good) / static_cast<double>(attempted);
}

Goodput MeasureGoodput(std::span<const RequestRecord* const> rows, const ServiceLevels& levels) {
  Goodput g;
  for (const RequestRecord* r : rows) {
    ++g.attempted;
    if (r->outcome != Outcome::kOk) {
      ++g.failed;
      continue;
    }
    const bool ttft = !levels.ttft_ms || Within(FirstTokenMs(*r), *levels.ttft_ms);
    const bool e2e = !levels.e2e_ms || Within(EndMs(*r), *levels.e2e_ms);
    const bool undefined = levels.tpot_ms && IsOneToken(*r);
    const bool tpot = !levels.tpot_ms || undefined || Within(r->TpotMs(), *levels.tpot_ms);
    g.missed_ttft += ttft ? 0U : 1U;
    g.missed_tpot += tpot ? 0U : 1U;
    g.missed_e2e += e2e ? 0U : 1U;
    if (!ttft || !tpot || !e2e) continue;
    ++g.good;
    g.tpot_undefined += undefined ? 1U : 0U;
  }
  return g;
}

}  // namespace kvtier
