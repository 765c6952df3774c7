#include "workloads/rag_summarize.hpp"

#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "harness/core/files.hpp"
#include "workloads/documents.hpp"
#include "workloads/prompt_maker.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

struct RagDocument {
  std::string topic, text, hash;
};

std::vector<RagDocument> RagDocuments(const RagOptions& o, const PromptMaker& maker) {
  Rng rng = maker.Stream("documents");
  std::vector<RagDocument> documents;
  for (int d = 0; d < o.documents; ++d) {
    RagDocument document;
    document.topic = std::string(rng.Pick(DocumentTopics()));
    document.text = maker.SharedPrefix({.tag = fmt::format("d{:04d}", d + 1),
                                        .intro = "retrieved for the questions below\n",
                                        .topic = document.topic,
                                        .doc_id = fmt::format("rag-{:04d}", d)},
                                       o.document_tokens, rng);
    document.hash = Sha256Hex(document.text);
    documents.push_back(std::move(document));
  }
  return documents;
}

PlannedRequest RagQuestion(const RagOptions& o, const PromptMaker& maker,
                           const RagDocument& document, std::size_t d, int question) {
  PlannedRequest r = maker.Request(
      document.text, maker.Own(fmt::format("q{:04d}_{:02d}", d + 1, question),
                               fmt::format("Question {}: sum up in one line what it says on {}.",
                                           question, document.topic)));
  r.prompt_id = maker.Id(fmt::format("rag_{:04d}_q{:02d}", d, question));
  r.prompt_set = "rag_summarize";
  r.prefix_hash = document.hash;
  r.metadata.phase_intent = question == 1 ? "first_question" : "later_question";
  r.metadata.shared_prefix_tokens_est =
      o.counter.Count(maker.wrapper().before_user) + o.counter.Count(document.text);
  return r;
}

}  // namespace

Plan BuildRagPlan(const RagOptions& o) {
  RequireInRange("documents", o.documents, 1, 9999);
  RequireInRange("questions", o.questions, 1, 99);
  RequireInRange("document_tokens", o.document_tokens, 96, 1'000'000);
  const PromptMaker maker(o, "rag_summarize");
  const std::vector<RagDocument> documents = RagDocuments(o, maker);
  Rng shuffles = maker.Stream("order");
  std::vector<std::size_t> order(documents.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  Plan plan;
  plan.scenario = "rag_summarize";
  for (int question = 1; question <= o.questions; ++question) {
    shuffles.Shuffle(order);
    std::vector<PlannedRequest> requests;
    for (const std::size_t d : order)
      requests.push_back(RagQuestion(o, maker, documents[d], d, question));
    plan.phases.push_back(
        ClosedPhase(fmt::format("ask_{}", question), o.concurrency, std::move(requests)));
  }
  return plan;
}

}  // namespace kvtier
