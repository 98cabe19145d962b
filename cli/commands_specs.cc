#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "google/protobuf/struct.pb.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/networks/prepare_spec.h"
#include "libs/networks/registry.h"
#include "libs/spec/commented.h"
#include "libs/spec/migration.h"
#include "libs/spec/spec_kind.h"
#include "libs/spec/text_format.h"

namespace trainyard::cli {
namespace {

constexpr int64_t kMostSpecBytes = 4 << 20;

// Writes a spec where it was asked for; "" prints it.
absl::Status Put(const std::string& path, bool force, const std::string& text) {
  if (path.empty()) {
    printf("%s", text.c_str());
    return absl::OkStatus();
  }
  if (FileExists(path) && !force) {
    return absl::AlreadyExistsError(
        absl::StrCat("-o '", path, "' is there; --force replaces it"));
  }
  TY_RETURN_IF_ERROR(MakeFolders(DirName(path)));
  return WriteFileAtomically(path, text);
}

// --- init

struct InitFlags {
  OutputOptions output;
  std::string network, path;
  bool force = false;
};

absl::StatusOr<std::string> CommentedSpec(const std::string& network) {
  TY_ASSIGN_OR_RETURN(const networks::NetworkFamily* family, networks::FindNetwork(network));
  TY_ASSIGN_OR_RETURN(const networks::SpecMessage spec,
                      family->Parse(family->example(), "the example", {}, nullptr));
  family->SetDefaults(*spec);
  return absl::StrCat(
      "# A spec of ", family->title(), ", with every field, what it means and its default.\n",
      "# Values that have no default are those of an example: put your own data, classes and sizes in\n",
      "# their place. What is commented out is absent. `trainyard spec check` names what is wrong.\n\n",
      spec::PrintCommented(*spec, family->coverage()));
}

int RunInit(const InitFlags& flags) {
  const auto text = CommentedSpec(flags.network);
  if (!text.ok()) return PrintFailure(flags.output, text.status(), FailedAt::kUsage);
  const absl::Status put = Put(flags.path, flags.force, *text);
  return put.ok() ? 0 : PrintFailure(flags.output, put, FailedAt::kOperation);
}

// --- migrate

struct MigrateFlags {
  OutputOptions output;
  std::string spec, path;
  bool force = false;
};

absl::StatusOr<const networks::NetworkFamily*> FamilyOfSpec(const std::string& text,
                                                            const std::string& name) {
  const spec::RecognisedSpec told = spec::RecogniseSpec(text, networks::NetworkMarkers());
  if (told.kind == spec::SpecKind::kExperiment) return networks::FindNetwork(told.network);
  const std::string networks = absl::StrJoin(networks::NetworkNames(), ", ");
  if (told.kind == spec::SpecKind::kUnknown) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, " has no field by which it is known as a spec of one of ", networks));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      name, ":", told.line, ":", told.column, ": is ", told.title,
      "; expected an experiment of one of ", networks,
      told.kind == spec::SpecKind::kForeign ? "" : " (`trainyard spec check` reads this one)"));
}

void PrintRowAsJson(const spec::MigratedField& field) {
  google::protobuf::Struct row;
  auto& members = *row.mutable_fields();
  members["field"].set_string_value(field.path);
  members["line"].set_number_value(field.line);
  members["value"].set_string_value(Printable(field.value));
  members["outcome"].set_string_value(std::string(NameOf(field.fate)));
  members["why"].set_string_value(Printable(field.reason));
  PrintJson(row);
}

void PrintTable(const std::vector<spec::MigratedField>& fields) {
  std::vector<std::vector<std::string>> rows = {{"line", "field", "value", "outcome", "why"}};
  for (const spec::MigratedField& field : fields) {
    rows.push_back({field.line == 0 ? "-" : absl::StrCat(field.line), Shown(field.path),
                    Shown(field.value, 40), std::string(NameOf(field.fate)),
                    Shown(field.reason, 400)});
  }
  std::vector<int> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], static_cast<int>(row[i].size()));
    }
  }
  for (const auto& row : rows) {
    std::string line = absl::StrFormat("%*s", widths[0], row[0]);
    for (size_t i = 1; i < row.size(); ++i) absl::StrAppendFormat(&line, "  %-*s", widths[i], row[i]);
    printf("%s\n", line.substr(0, line.find_last_not_of(' ') + 1).c_str());
  }
}

void PrintSummary(const spec::Migration& migration) {
  printf("%d taken, %d without effect, %d not offered, %d wrong\n",
         migration.Count(spec::FieldFate::kTaken), migration.Count(spec::FieldFate::kNoEffect),
         migration.Count(spec::FieldFate::kNotOffered), migration.Count(spec::FieldFate::kWrong));
}

int RunMigrate(const MigrateFlags& flags) {
  const auto text = ReadFile(flags.spec, kMostSpecBytes);
  if (!text.ok()) return PrintFailure(flags.output, text.status(), FailedAt::kUsage);
  const auto family = FamilyOfSpec(*text, flags.spec);
  if (!family.ok()) return PrintFailure(flags.output, family.status(), FailedAt::kOperation);
  spec::Migration migration =
      spec::MigrateSpec(*text, flags.spec, *(*family)->NewSpec(), (*family)->coverage());
  spec::AddProblems((*family)->Load(*text, flags.spec, {}, spec::SpecUse::kTrain, nullptr).status(),
                    &migration);
  for (const std::string& warning : migration.warnings) {
    fprintf(stderr, "trainyard: warning: %s\n", Printable(warning).c_str());
  }
  if (flags.output.json) {
    for (const spec::MigratedField& field : migration.fields) PrintRowAsJson(field);
  } else {
    PrintTable(migration.fields);
    PrintSummary(migration);
  }
  // What is left when all that is not offered is gone.
  const std::string migrated = spec::PrintCanonical(*migration.spec);
  absl::Status usable =
      (*family)->Load(migrated, flags.spec, {}, spec::SpecUse::kTrain, nullptr).status();
  if (usable.ok() && migration.Count(spec::FieldFate::kWrong) > 0) {
    usable = absl::InvalidArgumentError(absl::StrCat(migration.Count(spec::FieldFate::kWrong),
                                                     " fields of '", flags.spec,
                                                     "' are wrong; see the table"));
  }
  if (!usable.ok()) {
    const absl::Status failure(
        usable.code(), absl::StrCat("'", flags.spec, "' cannot be trained with as it is",
                                    flags.path.empty() ? "" : ", so nothing was written", ": ",
                                    usable.message()));
    return PrintFailure(flags.output, failure, FailedAt::kOperation);
  }
  if (flags.path.empty()) return 0;
  const absl::Status put = Put(flags.path, flags.force, migrated);
  return put.ok() ? 0 : PrintFailure(flags.output, put, FailedAt::kOperation);
}

}  // namespace

void AddSpecCommands(CLI::App& app, Run& run) {
  auto init_flags = std::make_shared<InitFlags>();
  CLI::App& init = *app.add_subcommand("init", "write a spec to begin with, every field explained");
  init.add_option("network", init_flags->network,
                  absl::StrCat("one of ", absl::StrJoin(networks::NetworkNames(), ", ")))
      ->required();
  init.add_option("-o,--output", init_flags->path, "file to write (else it is printed)");
  init.add_flag("--force", init_flags->force, "replace a file that is there");
  init.add_flag("--json", init_flags->output.json, "errors as JSON");
  WhenTyped(init, run, init_flags, RunInit);

  auto flags = std::make_shared<MigrateFlags>();
  CLI::App& migrate =
      *app.add_subcommand("migrate", "say what becomes of each field of a spec of TAO");
  migrate.add_option("spec", flags->spec, "spec file of TAO")->required();
  migrate.add_option("-o,--output", flags->path, "file for the spec without what has no effect");
  migrate.add_flag("--force", flags->force, "replace a file that is there");
  migrate.add_flag("--json", flags->output.json, "a row a line as JSON; errors as JSON");
  WhenTyped(migrate, run, flags, RunMigrate);
}

}  // namespace trainyard::cli
