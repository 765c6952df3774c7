#include "workloads/agent_loop.hpp"

#include <vector>

#include <fmt/format.h>

#include "workloads/conversation.hpp"
#include "workloads/documents.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

std::string ToolResult(const AgentLoopOptions& o, int turn, std::string_view topic, Rng& rng) {
  return MakeDocument({.intro = fmt::format("Tool result {}:\n", turn),
                       .topic = std::string(topic),
                       .doc_id = fmt::format("result-{}", turn),
                       .target_tokens = o.tool_result_tokens},
                      o.counter, rng) +
         "\n\n";
}

std::vector<PlannedRequest> AgentTurns(const AgentLoopOptions& o, const PromptMaker& maker) {
  Rng texts = maker.Stream("instructions"), results = maker.Stream("results");
  const std::string instructions =
      maker.SharedPrefix({.tag = "tools",
                          .intro = "instructions and tools of every agent\n",
                          .topic = "tool descriptions",
                          .doc_id = "agent-tools"},
                         o.instructions_tokens, texts);
  std::vector<Conversation> sessions;
  for (int s = 0; s < o.sessions; ++s) {
    sessions.emplace_back(maker, instructions,
                          maker.Id(fmt::format("agent_session_{:04d}", s + 1)));
  }
  std::vector<PlannedRequest> requests;
  for (int turn = 1; turn <= o.turns; ++turn) {
    for (int s = 0; s < o.sessions; ++s) {
      Conversation& session = sessions[static_cast<std::size_t>(s)];
      const auto topic = results.Pick(DocumentTopics());
      if (turn > 1) {
        session.Answer(fmt::format("call lookup(\"{}\", {})", topic, turn - 1),
                       ToolResult(o, turn - 1, topic, results));
      }
      PlannedRequest r = session.Ask(
          maker.Own(fmt::format("g{:04d}t{:02d}", s + 1, turn),
                    fmt::format("Task {}, turn {}: what is next for {}?", s + 1, turn, topic)));
      r.prompt_id = maker.Id(fmt::format("agent_{:04d}_t{:02d}", s, turn));
      r.prompt_set = "agent_loop";
      if (turn > 1) {
        r.after = (turn - 2) * o.sessions + s;
        r.think_time_ns = o.think_time_ns;
      }
      requests.push_back(std::move(r));
    }
  }
  return requests;
}

}  // namespace

Plan BuildAgentLoopPlan(const AgentLoopOptions& o) {
  RequireInRange("sessions", o.sessions, 1, 9999);
  RequireInRange("turns", o.turns, 1, 99);
  RequireInRange("instructions_tokens", o.instructions_tokens, 96, 1'000'000);
  RequireInRange("tool_result_tokens", o.tool_result_tokens, 32, 1'000'000);
  RequireInRange("think_time_ns", o.think_time_ns, 0, 3'600'000'000'000);
  const PromptMaker maker(o, "agent_loop");
  Plan plan;
  plan.scenario = "agent_loop";
  plan.phases.push_back(ClosedPhase("agent_loop", o.concurrency, AgentTurns(o, maker)));
  return plan;
}

}  // namespace kvtier
