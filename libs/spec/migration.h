#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"
#include "libs/spec/coverage.h"

namespace trainyard::spec {

/// What becomes of a field of a spec that was written for TAO.
enum class FieldFate {
  /// Read and acted upon, by its own name or, as the reason says, by another.
  kTaken,
  /// Read without effect: left out of the migrated spec.
  kNoEffect,
  /// TAO acts on it and we do not yet: left out, so that the result differs from TAO's.
  kNotOffered,
  /// Not a field, or not a value, that is known, or one that is missing.
  kWrong,
};

/// "taken", "no effect", "not offered", "wrong".
absl::string_view NameOf(FieldFate fate);

/// A row of the table.
struct MigratedField {
  /// As in FieldPlaces: "training_config.num_epochs".
  std::string path;
  /// Of the text, from 1; 0 for what is not in it.
  int line = 0;
  /// As text format writes it; "" for blocks and for what could not be read.
  std::string value;
  FieldFate fate = FieldFate::kTaken;
  /// Why; "" when there is nothing to say.
  std::string reason;
};

/// What a text came to.
struct Migration {
  /// By line, those without one last.
  std::vector<MigratedField> fields;
  /// What is taken, without the rest; its type is that of the message that was handed in. Never null.
  std::unique_ptr<google::protobuf::Message> spec;
  /// Lines of the reader: scalars given twice.
  std::vector<std::string> warnings;

  /// How many have that fate.
  int Count(FieldFate fate) const;
};

/// Reads a text as a message of the type of `empty` and says of each value what becomes of it by `rules`.
/// Reads on after mistakes: unknown names are rows with the nearest known one. `file_name` is for the
/// warnings. Never fails: a text that is none has rows for what is wrong alone.
Migration MigrateSpec(absl::string_view text, absl::string_view file_name,
                      const google::protobuf::Message& empty,
                      absl::Span<const CoverageRule> rules);

/// Adds what a check says of the migrated spec: each problem of `checked` turns the row of its field to
/// kWrong, or to kNotOffered when nothing is wrong but that (kUnimplemented), or is a row of its own.
void AddProblems(const absl::Status& checked, Migration* migration);

}  // namespace trainyard::spec
