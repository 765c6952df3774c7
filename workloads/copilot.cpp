#include "workloads/copilot.hpp"

#include <vector>

#include <fmt/format.h>

#include "harness/core/files.hpp"
#include "workloads/documents.hpp"
#include "workloads/prompt_maker.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

std::vector<PlannedRequest> CopilotPrompts(const CopilotOptions& o, const PromptMaker& maker,
                                           const std::string& list, int count) {
  Rng bodies = maker.Stream(list + "/context"), tasks = maker.Stream(list + "/tasks");
  const std::string context = maker.SharedPrefix({.tag = fmt::format("{}ctx", list.front()),
                                                  .intro = "the open project of everybody\n",
                                                  .topic = "project notes",
                                                  .doc_id = list + "-context"},
                                                 o.shared_prefix_tokens, bodies);
  const std::string hash = Sha256Hex(context);
  std::vector<int> turns(static_cast<std::size_t>(o.session_count), 0);
  std::vector<PlannedRequest> requests;
  for (int i = 0; i < count; ++i) {
    const int burst = i / o.burst_size;
    const int session = burst % o.session_count;
    const int turn = ++turns[static_cast<std::size_t>(session)];
    const auto topic = tasks.Pick(DocumentTopics());
    PlannedRequest r = maker.Request(
        context, maker.Own(fmt::format("{}{:05d}", list.front(), i + 1),
                           fmt::format("session {} burst {} turn {}: change the part on {}.",
                                       session + 1, burst + 1, turn, topic)));
    r.prompt_id = maker.Id(fmt::format("copilot_{}-{:05d}", list, i));
    r.prompt_set = "local_copilot_burst";
    r.prefix_hash = hash;
    r.session_id = maker.Id(fmt::format("session_{:02d}", session + 1));
    r.metadata.session_turn_index = turn;
    r.metadata.shared_prefix_tokens_est =
        o.counter.Count(maker.wrapper().before_user) + o.counter.Count(context);
    requests.push_back(std::move(r));
  }
  return requests;
}

}  // namespace

Plan BuildCopilotPlan(const CopilotOptions& o) {
  RequireInRange("requests", o.requests, 1, 99'999);
  RequireInRange("warmup_requests", o.warmup_requests, 0, 99'999);
  RequireInRange("session_count", o.session_count, 1, 99);
  RequireInRange("burst_size", o.burst_size, 1, 99'999);
  RequireInRange("shared_prefix_tokens", o.shared_prefix_tokens, 96, 1'000'000);
  const PromptMaker maker(o, "local_project_copilot_shared_prefix_burst");
  Plan plan;
  plan.scenario = "local_copilot_burst";
  if (o.warmup_requests > 0) {
    plan.phases.push_back(ClosedPhase(
        "warmup", o.concurrency, CopilotPrompts(o, maker, "warmup", o.warmup_requests), false));
  }
  plan.phases.push_back(
      ClosedPhase("copilot_burst", o.concurrency, CopilotPrompts(o, maker, "main", o.requests)));
  return plan;
}

}  // namespace kvtier
