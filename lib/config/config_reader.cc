#include "config/config_reader.h"

#include <algorithm>

#include "config/documents.h"
#include "config/draft.h"

namespace stargazer {
namespace {

const Node* member_of(const Table& table, std::string_view key) {
  for (const Entry& entry : table) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

// The draft that a path such as "tasks.NAME.key" is about; names may hold dots, keys do not.
template <typename Draft>
const Draft* draft_of(const std::string& key, std::string_view table,
                      const std::unordered_map<std::string, Draft*>& by_name) {
  const std::size_t dot = key.rfind('.');
  if (!key.starts_with(table) || dot == std::string::npos || dot < table.size()) return nullptr;
  const auto found = by_name.find(key.substr(table.size(), dot - table.size()));
  return found == by_name.end() ? nullptr : found->second;
}

// Where the operator should look for `key`: where a file sets it, else at the head of its table, else in the main file.
Origin origin_of(const ConfigDraft& draft, const std::string& key, std::uint32_t main) {
  const std::size_t dot = std::min(key.rfind('.'), key.size());
  const DraftState* state = draft_of(key, "tasks.", draft.task_by_name);
  if (state == nullptr) state = draft_of(key, "supervised.", draft.supervised_by_name);
  if (state != nullptr) {
    const Origin* set = state->origins.find(std::string_view(key).substr(dot + 1));
    return set == nullptr ? state->at : *set;
  }
  auto found = draft.origins.find(key);
  if (found == draft.origins.end()) found = draft.origins.find(key.substr(0, dot));
  return found == draft.origins.end() ? Origin{main, {}} : found->second;
}

Config finished(ConfigDraft& draft) {
  Config config = std::move(draft.config);
  config.tasks.reserve(draft.tasks.size());
  for (TaskDraft& task : draft.tasks) config.tasks.push_back(static_cast<TaskConfig&>(task));
  for (SupervisedDraft& worker : draft.supervised) {
    config.supervised.push_back(static_cast<SupervisedConfig&>(worker));
  }
  return config;
}

// A value that is wrong keeps its default, so a relation that it takes part in proves nothing.
void report_relations(const Config& config, const ConfigDraft& draft, std::uint32_t main, ProblemList& problems) {
  std::vector<ConfigProblem> news;
  for (ConfigProblem& problem : check_relations(config)) {
    const std::size_t dot = std::min(problem.key.rfind('.'), problem.key.size());
    if (!problems.concerns_table(problem.key.substr(0, dot))) news.push_back(std::move(problem));
  }
  for (const ConfigProblem& problem : news) {
    problems.add(origin_of(draft, problem.key, main), problem.key, problem.problem);
  }
}

}  // namespace

std::string catalogue_of(const std::vector<NamedDocument>& documents) {
  std::string catalogue = SchedulerConfig{}.catalogue;
  for (const NamedDocument& document : documents) {
    const auto* root = std::get_if<Table>(&document.document);
    const Node* scheduler = root == nullptr ? nullptr : member_of(*root, "scheduler");
    const auto* table = scheduler == nullptr ? nullptr : std::get_if<Table>(&scheduler->value);
    const Node* value = table == nullptr ? nullptr : member_of(*table, "catalogue");
    const auto* text = value == nullptr ? nullptr : std::get_if<std::string>(&value->value);
    if (text != nullptr) catalogue = *text;
  }
  return catalogue;
}

ConfigOutcome read_documents(std::vector<NamedDocument> documents, std::size_t main, bool files_missing) {
  std::vector<std::string> files;
  files.reserve(documents.size());
  for (const NamedDocument& document : documents) files.push_back(document.file);
  ProblemList problems(std::move(files));
  ConfigDraft draft;
  for (std::uint32_t file = 0; file < documents.size(); ++file) {
    ParsedDocument& document = documents[file].document;
    if (const auto* syntax = std::get_if<SyntaxProblem>(&document)) {
      problems.add({file, syntax->at}, syntax->problem);
      files_missing = true;
      continue;
    }
    read_document(Entry{"", {}, {{}, std::get<Table>(std::move(document))}}, file, draft, problems);
  }
  choose_implementations(draft, problems);
  Config config = finished(draft);
  if (!files_missing) {
    report_relations(config, draft, static_cast<std::uint32_t>(main), problems);
    check_complete(draft, problems);
  }
  if (!problems.empty()) return {std::nullopt, problems.lines()};
  return {std::move(config), {}};
}

ConfigOutcome read_config(const std::vector<ConfigText>& texts) {
  std::vector<NamedDocument> documents;
  for (const ConfigText& text : texts) {
    ParsedDocument document = SyntaxProblem{{},
                                            "is larger than " + std::to_string(kConfigFileBytesMax) +
                                                " bytes, allowed are " + std::to_string(kConfigFileBytesMax)};
    if (text.text.size() <= kConfigFileBytesMax) document = parse_document(text.text, text.format);
    documents.push_back({text.file, std::move(document)});
  }
  return read_documents(std::move(documents), 0, false);
}

}  // namespace stargazer
