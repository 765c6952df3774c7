#include "workloads/rehydrate.hpp"

#include <fmt/format.h>

#include "harness/core/files.hpp"
#include "harness/core/rng.hpp"
#include "workloads/chat_template.hpp"
#include "workloads/documents.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

/// One session's name and the text that all its turns begin with.
struct Session {
  std::string id, topic, prefix, prefix_hash;
};

class Builder {
 public:
  explicit Builder(const RehydrateOptions& o)
      : o_(o),
        pair_seed_(PairSeed(o.run_seed, o.pair_index)),
        wrapper_(ChatTemplateNamed(o.chat_template)) {}

  Plan Build() {
    Plan plan;
    plan.scenario = "rehydrate_replay";
    const std::vector<PlannedRequest> measured = Populate();
    for (int k = 1; k <= o_.populate_visits; ++k) {
      plan.phases.push_back(Phase(Nth("populate", k), o_.populate_concurrency, measured));
      plan.phases.push_back(Phase(Nth("thrash", k), o_.thrash_concurrency, Thrash(k)));
    }
    for (int k = 1; k <= o_.replay_repeats; ++k)
      plan.phases.push_back(Phase(Nth("replay", k), o_.replay_concurrency, measured));
    return plan;
  }

 private:
  static std::string Nth(const char* name, int k) {
    return k == 1 ? name : fmt::format("{}_{}", name, k);
  }
  static PhasePlan Phase(std::string name, int concurrency, std::vector<PlannedRequest> requests) {
    return {.name = std::move(name),
            .concurrency = concurrency,
            .include_in_overall = true,
            .requests = std::move(requests)};
  }

  Session MakeSession(std::string id, const std::string& tag, std::string_view topic,
                      const std::string& body_topic, const std::string& doc_id, Rng& bodies) {
    Session s{.id = std::move(id), .topic = std::string(topic), .prefix = {}, .prefix_hash = {}};
    DocumentSpec spec;
    spec.intro =
        SessionNonce(pair_seed_, tag) + s.id + "\nThe notes below belong to this session alone.\n";
    spec.topic = body_topic;
    spec.doc_id = doc_id;
    spec.target_tokens = o_.prefix_target_tokens;
    s.prefix = MakeDocument(spec, o_.counter, bodies);
    s.prefix_hash = Sha256Hex(s.prefix);
    return s;
  }

  PlannedRequest Turn(const Session& session, int turn) {
    const int around = o_.counter.Count(wrapper_.before_user) + o_.counter.Count(session.prefix) +
                       o_.counter.Count(wrapper_.after_user);
    const std::string question =
        PadQuestion(fmt::format("\n\nUser Query:\nTurn {}: why {}?", turn, session.topic), around,
                    o_.block_tokens, o_.counter);
    PlannedRequest r;
    r.prompt = wrapper_.Wrap(session.prefix + question);
    r.target_tokens = o_.prefix_target_tokens;
    r.params.max_tokens = o_.gen_tokens;
    r.params.temperature = o_.temperature;
    r.params.seed = o_.request_seed;
    r.extras.ignore_eos = o_.ignore_eos;
    r.metadata.workload = "rehydrate_replay";
    r.metadata.session_turn_index = turn;
    r.prefix_hash = session.prefix_hash;
    r.session_id = session.id;
    SealRequest(r, o_.model, o_.counter);
    return r;
  }

  std::vector<PlannedRequest> Populate() {
    Rng topics = Rng::Stream(pair_seed_, "rehydrate/topics");
    Rng bodies = Rng::Stream(pair_seed_, "rehydrate/populate");
    std::vector<PlannedRequest> requests;
    for (int i = 0; i < o_.populate_sessions; ++i) {
      const auto topic = topics.Pick(DocumentTopics());
      const Session session =
          MakeSession(fmt::format("rehydrate_session_{:04d}", i + 1), fmt::format("p{:04d}", i + 1),
                      topic, fmt::format("rehydrate baseline {}", topic),
                      fmt::format("rehydrate-populate-{:04d}", i), bodies);
      for (int t = 1; t <= o_.turns; ++t) {
        PlannedRequest r = Turn(session, t);
        r.prompt_id = fmt::format("rehydrate_populate_{:04d}_t{:02d}", i, t);
        r.prompt_set = "rehydrate_populate";
        r.metadata.phase_intent = "populate_or_replay";
        r.metadata.shared_prefix_tokens_est = o_.counter.Count(session.prefix);
        requests.push_back(std::move(r));
      }
    }
    return requests;
  }

  /// Each visit's pressure has sessions of its own: the same ones again would be computed twice,
  /// too.
  std::vector<PlannedRequest> Thrash(int visit) {
    Rng rng = Rng::Stream(pair_seed_, Nth("rehydrate/thrash", visit));
    const std::string tag = visit == 1 ? "t" : fmt::format("t{}_", visit);
    std::vector<PlannedRequest> requests;
    for (int j = 0; j < o_.thrash_sessions; ++j) {
      const auto topic = rng.Pick(DocumentTopics());
      const Session session =
          MakeSession(fmt::format("{}_{:04d}", Nth("thrash_session", visit), j + 1),
                      fmt::format("{}{:04d}", tag, j + 1), topic, fmt::format("thrash {}", topic),
                      fmt::format("rehydrate-thrash-{:04d}", j), rng);
      PlannedRequest r = Turn(session, 1);
      r.prompt_id = fmt::format("{}_{:04d}", Nth("rehydrate_thrash", visit), j);
      r.prompt_set = "rehydrate_thrash";
      r.metadata.phase_intent = "thrash";
      requests.push_back(std::move(r));
    }
    return requests;
  }

  const RehydrateOptions& o_;
  std::uint64_t pair_seed_;
  const ChatTemplate& wrapper_;
};

}  // namespace

Plan BuildRehydratePlan(const RehydrateOptions& options) {
  RequireInRange("populate_sessions", options.populate_sessions, 1, 9999);
  RequireInRange("turns", options.turns, 1, 99);
  RequireInRange("thrash_sessions", options.thrash_sessions, 0, 9999);
  RequireInRange("prefix_target_tokens", options.prefix_target_tokens, 96, 1'000'000);
  RequireInRange("populate_visits", options.populate_visits, 1, 9);
  RequireInRange("replay_repeats", options.replay_repeats, 1, 99);
  RequireInRange("gen_tokens", options.gen_tokens, 1, 1'000'000);
  RequireInRange("populate_concurrency", options.populate_concurrency, 1, 100'000);
  RequireInRange("thrash_concurrency", options.thrash_concurrency, 1, 100'000);
  RequireInRange("replay_concurrency", options.replay_concurrency, 1, 100'000);
  RequireInRange("block_tokens", options.block_tokens, 16, 1024);
  return Builder(options).Build();
}

}  // namespace kvtier
