// What config_files.cc must know of the files before it can tell which of them belong to the configuration.
#pragma once

#include <string>
#include <vector>

#include "config/document.h"

namespace stargazer {

// One file after parsing.
struct NamedDocument {
  std::string file;
  ParsedDocument document;
};

// The value of scheduler.catalogue, of the last document that gives one; the default when none does.
std::string catalogue_of(const std::vector<NamedDocument>& documents);

// Merges and checks documents in the given order. `main` is the place of the main file among them, which a problem that
// no file caused is blamed on. `files_missing`: some file could not be read, so that what seems to be missing may be in
// there and is not complained about.
ConfigOutcome read_documents(std::vector<NamedDocument> documents, std::size_t main, bool files_missing);

}  // namespace stargazer
