#pragma once
#include <string>
#include <string_view>

#include "harness/core/rng.hpp"
#include "harness/load/plan.hpp"
#include "workloads/chat_template.hpp"
#include "workloads/workload_options.hpp"

namespace kvtier {

/// The size of a prompt of the set "short" or "long" (spec/workloads.md section 4.3): one of the
/// documented sizes of that set where some lie inside the range, else anything in it.
int DrawPromptSize(const PromptSizes& range, bool long_set, Rng& rng);

/// What a text that many prompts begin with, or a single document, is about.
struct TextSpec {
  std::string tag;  // of the nonce: unique within the plan, at most nine characters
  std::string intro;
  std::string topic;
  std::string doc_id;
};

/// Builds the requests of one workload. Every prompt begins, right behind the template's header,
/// with the nonce of what it shares with others, or with its own: no prompt finds a block that
/// another run, pair, tenant or group left behind.
class PromptMaker {
 public:
  /// `options` must outlive it. Throws ConfigError for common options out of range.
  PromptMaker(const WorkloadOptions& options, std::string workload);

  const WorkloadOptions& options() const { return o_; }
  const ChatTemplate& wrapper() const { return wrapper_; }
  /// "<name>", or "<tenant>-<name>".
  std::string Id(std::string_view name) const;
  /// A stream of draws of this workload, pair and tenant.
  Rng Stream(std::string_view name) const;

  /// A text of nonce, intro and document that fills, together with the template's header, exactly
  /// tokens / block_tokens engine blocks (byte-level counter; else within a word from below).
  std::string SharedPrefix(const TextSpec& spec, int tokens, Rng& rng) const;
  /// `question` behind "[<8 hex> <tag>] ", so that prompts part in the first block after what they
  /// share.
  std::string Own(std::string_view tag, std::string_view question) const;
  /// The request whose user text is `shared` and then `question`, padded as in PadQuestion. Nothing
  /// stands behind the assistant header. Sampling, workload and identity are filled.
  PlannedRequest Request(const std::string& shared, std::string question) const;
  /// A document that no other prompt shares, with a question about it: at most `tokens` in all, and
  /// with the byte-level counter at most 7 less. Draws the topic, then the body.
  PlannedRequest Unique(const TextSpec& spec_without_topic, int tokens, Rng& rng) const;

 private:
  const WorkloadOptions& o_;
  std::string workload_;
  std::uint64_t seed_;
  const ChatTemplate& wrapper_;
};

/// A phase of requests in a closed loop.
PhasePlan ClosedPhase(std::string name, int concurrency, std::vector<PlannedRequest> requests,
                      bool include_in_overall = true);

}  // namespace kvtier
