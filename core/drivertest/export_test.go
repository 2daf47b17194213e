package drivertest

import "testing"

// What the kits' own tests reach: single cases, run on a stand-in for testing.T.

func RunRegistry(t *testing.T, name string, h RegistryHarness) Outcome {
	t.Helper()
	return runNamed(t, registryChecks(), name, func(t testing.TB, c check[*registryRun]) { performRegistry(t, c, h) })
}

func RunConfig(t *testing.T, name string, h ConfigHarness) Outcome {
	t.Helper()
	return runNamed(t, configChecks(), name, func(t testing.TB, c check[*configRun]) { performConfig(t, c, h) })
}

func RunCache(t *testing.T, name string, h CacheHarness) Outcome {
	t.Helper()
	return runNamed(t, cacheChecks(), name, func(t testing.TB, c check[*cacheRun]) { performCache(t, c, h) })
}

func runNamed[R any](t *testing.T, all []check[R], name string, perform func(testing.TB, check[R])) Outcome {
	t.Helper()
	for _, c := range all {
		if c.name == name {
			o := recorded(t, func(t testing.TB) { perform(t, c) })
			o.Rule = c.rule
			return o
		}
	}
	t.Fatalf("there is no case %s", name)
	return Outcome{}
}

func RegistryCases() []string { return names(registryChecks()) }
func ConfigCases() []string   { return names(configChecks()) }
func CacheCases() []string    { return names(cacheChecks()) }

func names[R any](all []check[R]) []string {
	var out []string
	for _, c := range all {
		out = append(out, c.name)
	}
	return out
}
