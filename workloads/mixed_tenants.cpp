#include "workloads/mixed_tenants.hpp"

#include <vector>

#include <fmt/format.h>

#include "workloads/prompt_maker.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

/// The requests of all phases, one after the other; `after` counts from the first of them.
std::vector<PlannedRequest> InOneRow(Plan plan) {
  std::vector<PlannedRequest> row;
  for (auto& phase : plan.phases) {
    const int begin = static_cast<int>(row.size());
    for (auto& request : phase.requests) {
      if (request.after) *request.after += begin;
      row.push_back(std::move(request));
    }
  }
  return row;
}

template <class Options>
Options OfTenant(const MixedTenantsOptions& o, const Options& shape, int tenant) {
  Options mine = shape;
  static_cast<WorkloadOptions&>(mine) = o;
  mine.tenant = fmt::format("t{:02d}", tenant);
  return mine;
}

std::vector<PlannedRequest> TenantRow(const MixedTenantsOptions& o, int tenant) {
  switch (tenant % 3) {
    case 1: {
      CopilotOptions copilot = OfTenant(o, o.copilot, tenant);
      copilot.warmup_requests = 0;
      return InOneRow(BuildCopilotPlan(copilot));
    }
    case 2:
      return InOneRow(BuildAgentLoopPlan(OfTenant(o, o.agent, tenant)));
    default:
      return InOneRow(BuildRagPlan(OfTenant(o, o.rag, tenant)));
  }
}

/// Every interleaving that keeps the order within the rows is equally likely.
std::vector<PlannedRequest> Interleave(std::vector<std::vector<PlannedRequest>> rows, Rng& rng) {
  std::size_t left = 0;
  for (const auto& row : rows) left += row.size();
  std::vector<std::vector<int>> place(rows.size());  // of a row's requests in the result
  std::vector<PlannedRequest> mixed;
  for (; left > 0; --left) {
    std::uint64_t ticket = rng.Below(left);
    std::size_t t = 0;
    for (; ticket >= rows[t].size() - place[t].size(); ++t)
      ticket -= rows[t].size() - place[t].size();
    PlannedRequest& request = rows[t][place[t].size()];
    if (request.after) *request.after = place[t][static_cast<std::size_t>(*request.after)];
    place[t].push_back(static_cast<int>(mixed.size()));
    mixed.push_back(std::move(request));
  }
  return mixed;
}

}  // namespace

Plan BuildMixedTenantsPlan(const MixedTenantsOptions& o) {
  RequireInRange("tenants", o.tenants, 1, 99);
  const PromptMaker maker(o, "mixed_tenants");
  std::vector<std::vector<PlannedRequest>> rows;
  for (int tenant = 1; tenant <= o.tenants; ++tenant) {
    rows.push_back(TenantRow(o, tenant));
    for (auto& request : rows.back()) {
      request.metadata.phase_intent = request.metadata.workload;  // the family, by its builder
      request.metadata.workload = "mixed_tenants";
    }
  }
  Rng rng = maker.Stream("interleave");
  Plan plan;
  plan.scenario = "mixed_tenants";
  plan.phases.push_back(ClosedPhase("mixed", o.concurrency, Interleave(std::move(rows), rng)));
  return plan;
}

}  // namespace kvtier
