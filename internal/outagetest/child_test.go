package outagetest

const childEnv = "HOLDFAST_OUTAGE_CHILD"

func runChild(string) int { return 0 }
