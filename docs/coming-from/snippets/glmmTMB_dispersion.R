library(glmmTMB)
sleep <- read.csv("sleepstudy.csv")
m <- glmmTMB(Reaction ~ Days + (Days | Subject), dispformula = ~ Days, data = sleep)
print(fixef(m)$disp, digits = 3)
