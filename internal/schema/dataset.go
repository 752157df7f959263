// SPDX-License-Identifier: Apache-2.0

package schema

import "strings"

// Delegated datasets.
var (
	DatasetName = required("name", dataset, "The dataset to delegate.", from(Datasets), at(AtVerify), matches,
		says(func(_, prop, _ string, _ error) string { return "dataset: " + prop + " invalid" }))
	DatasetAlias = optional("alias", datasetAlias, "The name that the zone sees it under.", canClear, quiet, matches)
)

// DatasetResource is a dataset that the zone administers itself.
var DatasetResource = resource(Resource{
	Name: "dataset", Element: "dataset",
	Help: "A ZFS dataset that is delegated to the zone, with all below it.",
}, DatasetName, DatasetName, DatasetAlias)

// dataset is the name of a ZFS file system or volume.
var dataset = Kind[string]{
	Meta: "DATASET", Allowed: "the name of a ZFS file system or volume", Max: 255,
	parse: func(s string) (string, error) {
		if s == "" || len(s) > 255 {
			return "", ErrInvalid
		}
		for i, part := range strings.Split(s, "/") {
			if part == "" || part == "." || part == ".." || strings.Trim(part, letters+digits+"-_.: ") != "" ||
				i == 0 && !strings.Contains(letters, part[:1]) {
				return "", ErrInvalid
			}
		}
		return s, nil
	},
	sample: func(r *Rand) string { return "tank/" + sampleWord(r) + "/" + sampleWord(r) },
}

// datasetAlias is one component of a dataset's name.
var datasetAlias = Kind[string]{
	Meta: "NAME", Allowed: "a name without a slash", Max: 255,
	parse: func(s string) (string, error) {
		if strings.Contains(s, "/") {
			return "", ErrInvalid
		}
		return dataset.parse(s)
	},
	sample: sampleWord,
}
