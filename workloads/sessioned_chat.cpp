#include "workloads/sessioned_chat.hpp"

#include <string>
#include <vector>

#include <fmt/format.h>

#include "workloads/conversation.hpp"
#include "workloads/documents.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

constexpr const char* kAcknowledged = "Noted. Go on.";

struct ChatSession {
  Conversation talk;
  int turns;  // of the build phase
};

/// One phase: `turns_of(session)` turns each, turn by turn, a session's after its last one.
template <class TurnsOf, class Ask>
std::vector<PlannedRequest> ChatPhase(std::vector<ChatSession>& sessions,
                                      std::int64_t think_time_ns, int most_turns, TurnsOf turns_of,
                                      Ask ask) {
  std::vector<PlannedRequest> requests;
  std::vector<int> last(sessions.size(), -1);
  for (int turn = 1; turn <= most_turns; ++turn) {
    for (std::size_t s = 0; s < sessions.size(); ++s) {
      if (turn > turns_of(sessions[s])) continue;
      PlannedRequest r = ask(sessions[s].talk, s, turn);
      if (last[s] >= 0) {
        r.after = last[s];
        r.think_time_ns = think_time_ns;
      }
      last[s] = static_cast<int>(requests.size());
      requests.push_back(std::move(r));
    }
  }
  return requests;
}

}  // namespace

Plan BuildSessionedChatPlan(const SessionedChatOptions& o) {
  RequireInRange("sessions", o.sessions, 1, 9999);
  RequireInRange("min_turns", o.min_turns, 1, 99);
  RequireInRange("max_turns", o.max_turns, o.min_turns, 99);
  RequireInRange("resume_turns", o.resume_turns, 0, 99);
  RequireInRange("chunk_tokens", o.chunk_tokens, 96, 1'000'000);
  RequireInRange("think_time_ns", o.think_time_ns, 0, 3'600'000'000'000);
  const PromptMaker maker(o, "sessioned_chat");
  Rng shapes = maker.Stream("turns"), texts = maker.Stream("chunks");
  std::vector<ChatSession> sessions;
  for (int s = 0; s < o.sessions; ++s) {
    const std::string opening = maker.Own(fmt::format("c{:04d}", s + 1), "a session of its own\n");
    const auto spread = static_cast<std::uint64_t>(o.max_turns - o.min_turns) + 1;
    sessions.push_back({Conversation(maker, opening, maker.Id(fmt::format("chat_{:04d}", s + 1))),
                        o.min_turns + static_cast<int>(shapes.Below(spread))});
  }
  const auto chunk = [&](int turn) {
    return MakeDocument({.intro = fmt::format("Part {}:\n", turn),
                         .topic = std::string(texts.Pick(DocumentTopics())),
                         .doc_id = fmt::format("part-{}", turn),
                         .target_tokens = o.chunk_tokens},
                        o.counter, texts);
  };
  const auto name = [&](PlannedRequest& r, std::size_t s, const char* phase, int turn) {
    r.prompt_id = maker.Id(fmt::format("chat_{:04d}_{}{:02d}", s, phase, turn));
    r.prompt_set = "sessioned_chat";
    r.metadata.phase_intent = phase;
  };
  Plan plan;
  plan.scenario = "sessioned_chat";
  plan.phases.push_back(ClosedPhase(
      "build", o.concurrency,
      ChatPhase(
          sessions, o.think_time_ns, o.max_turns, [](const ChatSession& c) { return c.turns; },
          [&](Conversation& talk, std::size_t s, int turn) {
            if (turn > 1) talk.Answer(kAcknowledged, "");
            PlannedRequest r = talk.Ask(chunk(turn) + "\n\nSay that you have read it.");
            name(r, s, "build", turn);
            return r;
          })));
  if (o.resume_turns == 0) return plan;
  plan.phases.push_back(ClosedPhase("resume", o.concurrency,
                                    ChatPhase(
                                        sessions, o.think_time_ns, o.resume_turns,
                                        [&](const ChatSession&) { return o.resume_turns; },
                                        [&](Conversation& talk, std::size_t s, int turn) {
                                          talk.Answer(kAcknowledged, "");
                                          PlannedRequest r = talk.Ask(fmt::format(
                                              "Resume {}: what was part 1 about?", turn));
                                          name(r, s, "resume", turn);
                                          return r;
                                        })));
  return plan;
}

}  // namespace kvtier
