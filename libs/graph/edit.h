#pragma once

#include <set>
#include <string>

#include "libs/graph/graph.h"

namespace trainyard::graph {

/// Removes the initializers that no node reads and that are no graph output, and reindexes. Returns
/// how many went.
int RemoveUnusedInitializers(Graph& graph);

/// Removes nodes whose outputs nobody reads and that make no graph output, again and again until
/// none is left, then unused initializers; reindexes. Returns how many nodes went.
int RemoveDeadNodes(Graph& graph);

/// Removes the nodes of these names and reindexes; what reads them is the caller's to settle.
void RemoveNodes(Graph& graph, const std::set<std::string>& names);

/// Lets everybody who reads `from` (bodies of nodes excepted) read `to` instead; graph outputs keep
/// their names. Call Reindex() after the last edit.
void RedirectReaders(Graph& graph, const std::string& from, const std::string& to);

/// `stem`, or the first of `stem_1`, `stem_2`... that no node, value or initializer is called.
std::string UnusedName(const Graph& graph, const std::string& stem);

}  // namespace trainyard::graph
