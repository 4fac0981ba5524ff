package mailcopy

import "slices"

// tier is one rule by which a source message is known again at the target. The earlier rules are the stricter ones.
type tier struct {
	// key puts what may be equal together; ok is false where the rule says nothing about the message.
	key func(m *identity) (key [4]uint64, ok bool)
	// same decides between two with the same key.
	same func(source, target *identity) bool
}

// tiers returns the rules in order. Sizes count only where the target keeps bytes.
func tiers(keepsBytes bool) []tier {
	always := func(*identity, *identity) bool { return true }
	exact := func(m *identity) ([4]uint64, bool) {
		return [4]uint64{uint64(m.when), m.id, m.exact}, m.dated
	}
	rules := []tier{
		{exact, always},
		{func(m *identity) ([4]uint64, bool) { return [4]uint64{uint64(m.when), m.id}, m.dated && m.id != 0 }, always},
		{func(m *identity) ([4]uint64, bool) { return [4]uint64{uint64(m.when)}, m.dated }, func(source, target *identity) bool {
			return source.id == 0 && loose(source, target)
		}},
		{func(m *identity) ([4]uint64, bool) { return [4]uint64{m.id, m.exact}, m.id != 0 }, func(source, _ *identity) bool {
			return source.odd()
		}},
	}
	if keepsBytes {
		sized := func(m *identity) ([4]uint64, bool) {
			key, ok := exact(m)
			key[3] = uint64(m.size)
			return key, ok
		}
		rules = append([]tier{{sized, always}}, rules...)
	}
	return rules
}

// loose compares Date, From and Subject as rewriting may leave them. A field that the source's message lacks says
// nothing: servers fill in what is missing. A message without any of them equals only another such.
func loose(source, target *identity) bool {
	if source.date == 0 && source.from == 0 && source.subject == 0 {
		return target.from == 0 && target.subject == 0
	}
	agree := func(s, t uint64) bool { return s == 0 || s == t }
	return agree(source.date, target.date) && agree(source.from, target.from) && agree(source.subject, target.subject)
}

// match finds for each source message its copy among the target's, in the order of both, each target message for one
// source message alone. It returns the index into target, or -1.
func match(source, target []identity, keepsBytes bool) []int {
	found := make([]int, len(source))
	for i := range found {
		found[i] = -1
	}
	used := make([]bool, len(target))
	left := len(target)
	for _, rule := range tiers(keepsBytes) {
		if left == 0 {
			break
		}
		candidates := map[[4]uint64][]int{}
		for j := range target {
			if key, ok := rule.key(&target[j]); ok && !used[j] {
				candidates[key] = append(candidates[key], j)
			}
		}
		for i := range source {
			if found[i] >= 0 {
				continue
			}
			key, ok := rule.key(&source[i])
			if !ok {
				continue
			}
			of := candidates[key]
			for n, j := range of {
				if rule.same(&source[i], &target[j]) {
					found[i], used[j] = j, true
					if n == 0 {
						candidates[key] = of[1:]
					} else {
						candidates[key] = slices.Delete(of, n, n+1)
					}
					left--
					break
				}
			}
		}
	}
	return found
}

// equal reports whether a copy is its source's: by any of the rules that match would know it by.
func equal(source, target *identity, keepsBytes bool) bool {
	return match([]identity{*source}, []identity{*target}, keepsBytes)[0] == 0
}
