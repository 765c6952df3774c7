#pragma once
#include <span>
#include <string>
#include <string_view>

#include "harness/core/rng.hpp"
#include "workloads/tokens.hpp"

namespace kvtier {

/// The ten subjects that documents and questions are about; each at most nine letters.
std::span<const std::string_view> DocumentTopics();

/// What a generated document is about and how long it becomes.
struct DocumentSpec {
  std::string intro;  // first lines, kept as they are; counts towards the target
  std::string topic;
  std::string doc_id;
  int target_tokens = 512;
};

/// An ASCII document: the intro, a header, then sections of bullets and a checklist line, all
/// choices drawn from `rng`. Its size is `target_tokens` exactly with the byte-level counter, else
/// within a word of it from below. A target that the intro already exceeds is a ConfigError:
/// nothing is cut off the intro.
std::string MakeDocument(const DocumentSpec& spec, const TokenCounter& counter, Rng& rng);

}  // namespace kvtier
