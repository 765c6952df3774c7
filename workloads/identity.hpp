#pragma once
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "harness/load/plan.hpp"

namespace kvtier {

/// {max_tokens, temperature, top_p, stop, stream [, seed]} as the hashes and requests.jsonl have
/// it.
nlohmann::json GenerationParamsJson(const GenerationParams& params);

/// The four documented hashes (spec/workloads.md section 7) and request_extras_sha256, which covers
/// the payload fields that the documented ones do not: canonical JSON of {ignore_eos,
/// stream_options: {include_usage}}. A token-id prompt is hashed in its canonical text form
/// "[1,2,3]", also inside the payload.
RequestIdentity IdentityOf(std::string_view model, std::string_view prompt,
                           const GenerationParams& params, const RequestExtras& extras);

}  // namespace kvtier
